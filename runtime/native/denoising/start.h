// The start of a generation: noise, a noised picture, a picture around a mask, or half-way latents.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "denoising/run.h"
#include "request/inputs.h"
#include "request/resolved.h"

namespace latentlink {

// Largest difference between two equal noise levels, relative to the largest of their numbers. Training schedules are
// products of 1,000 float32 numbers, whose rounding errors of 6e-8 add up to 6e-5 at most, and two checkpoints of one
// schedule may have been rounded differently. Neighbours among 1,000 timesteps differ by 4e-4 or more, those of flow
// models with a shift of 6 by 1.6e-4.
inline constexpr double LEVEL_TOLERANCE = 1e-4;

// The VAE's encoder: of pictures uint8 [B, H, W, 3], masks float32 [B, 1, H, W] or none, and noise float32
// [B, C, h, w], to z [B, C, h, w].
using Encode = std::function<Array(const Array& pictures, const std::optional<Array>& masks, const Array& noise)>;

// Draws standard normal noise of a shape from a seed, float32.
using DrawShape = std::function<Array(const Shape&)>;

// The first x of one or several pictures, and what stays the same for all rows.
struct Start {
    Array x;                                                  // float32 [B, C, h, w]
    std::vector<std::optional<Around>> around;                // for every picture, for a denoiser that blends
    std::map<std::string, Array, std::less<>> constant = {};  // by tensor name, [B, ...]
};

// Refuse inputs that contradict each other, or do not fit the number of pictures. `request` is that of the first
// picture, `prompts` the number of prompts; `itself`: the denoiser reads the mask and the picture around it itself.
// Throws UsageError: they do.
void check_inputs(const Inputs& inputs, const Request& request, std::size_t prompts, bool itself);

// What `begin` needs beside inputs and request.
struct Beginning {
    const SamplerTable& table;    // the same for all pictures
    const Shape& shape;           // of their latents, [B, C, h, w]
    const Port& latent;           // the denoiser's
    std::span<const Port> ports;  // the denoiser's inputs, which show whether it reads masks
    const DrawShape& draw;
    const Encode& encode;
};

// Make the start of pictures whose noise is drawn from one seed: one picture, or a batch with one seed. Noise is drawn
// in the same order as by diffusers, so that equal seeds give equal pictures.
// Throws UsageError: the latents to start from are at another noise level.
Start begin(const Inputs& inputs, const Request& request, const Beginning& with);

// Rows repeated to one per picture of the batch; pictures of one prompt stand together.
Array spread(const Array& array, std::size_t batch);

}  // namespace latentlink
