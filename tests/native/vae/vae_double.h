// A VAE without a network: what stands for its engines in tests/vectors/vae_cases.py.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "sessions/session.h"
#include "vae/autoencoder.h"

namespace latentlink {

// Pixels per latent element.
inline constexpr std::int64_t DOUBLE_SCALE = 4;

// z `[h, w, C]` to uint8 `[H, W, 3]`, brighter by `tone`.
Array double_decoded(const Array& z, int tone = 0);

// Changes what an engine has written.
using Spoil = std::function<Array(Array)>;

// Both halves, whose latents are of a dtype. `sides` are the only height and width of a pass; `spoil` changes what the
// decoder writes, or with `spoil_encoder` the encoder.
LinkedVae double_vae(DType dtype, std::optional<std::pair<std::int64_t, std::int64_t>> sides = {}, Spoil spoil = {},
                     Spoil spoil_encoder = {});

}  // namespace latentlink
