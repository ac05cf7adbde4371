// Guards: what a stage wrote is checked before the next stage reads it, so that no faulty picture is returned as good.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "guards/faults.h"
#include "guards/unusual.h"

namespace latentlink {

// A faulty picture or latent that was made again by a wider engine.
struct Mended {
    std::string component;  // made it both times: `vae_decoder` or `vae_encoder`
    int number;             // of the picture in the run, from 1
    int count;              // of pictures in the run
    Fault fault;            // of the first result
};

// The guards of one call.
struct Guard {
    bool on = true;                        // whether anything is checked
    std::vector<LatentRange> ranges = {};  // measured ranges of latents by noise level; empty if not measured
    std::vector<Mended> mended = {};       // what was made again by a wider engine; the VAE adds to it
    std::vector<Unusual> unusual = {};     // settings that may explain a fault, named before the engines are blamed

    // The guards that the argument `guard` asks for.
    // Throws UsageError: it is neither `on` nor `off`.
    static Guard of(std::string_view requested, std::vector<LatentRange> ranges);

    // Check the output of a text encoder, of any shape.
    // Throws GuardError: it is not finite.
    void embedding(std::string_view stage, const Array& array) const;

    // Check latents `[B, C, h, w]` of a noise level, one of `SamplerTable::levels`, with one margin for all of them, or
    // one for each. `stage` is the component that wrote them, or the argument that held them; unless the denoiser
    // `generated` them, they may be of a picture of one colour.
    // Throws GuardError: they are not finite, or outside of the model's range.
    void latents(std::string_view stage, const Array& array, Level level, std::span<const Margin> margins,
                 bool generated = false) const;
    void latents(std::string_view stage, const Array& array, Level level, const Margin& margin = GENERATED,
                 bool generated = false) const {
        latents(stage, array, level, std::span(&margin, 1), generated);
    }

    // Check decoded pictures, uint8 `[H, W, 3]` each; those of latents that are not `clean` may be noise.
    // Throws GuardError: one is flat or noise.
    void pictures(std::string_view stage, std::span<const Array> pictures, bool clean = true) const;

  private:
    [[noreturn]] void refuse(std::string_view stage, const std::string& what, const Fault& fault) const;
};

}  // namespace latentlink
