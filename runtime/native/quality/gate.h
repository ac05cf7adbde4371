// The gate: what a quantised engine's pictures have to reach, compared with the reference's at equal seeds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quality/shortfall.h"
#include "vocabulary/json.h"

namespace latentlink {

// Beginning of the gate's keys in an engine's `parity`.
inline constexpr std::string_view GATE_PREFIX = "gate_";

// How a denoiser's latents and pictures compare with the reference's at equal prompts and seeds.
struct Quality {
    std::int64_t pictures = 0;         // number of pictures compared
    std::vector<double> cosines;       // cosine similarity of the latents after every step, mean over the pictures
    double psnr = 0;                   // median PSNR of the pictures in dB; 100 if they are equal
    double least_psnr = 0;             // of the worst picture
    double ssim = 0;                   // median structural similarity of the pictures
    double least_ssim = 0;             // of the worst picture
    std::int64_t judged = 0;           // pictures that a judge checked against their prompts; 0 without a judge
    std::int64_t right = 0;            // of these, how many show their prompts
    std::int64_t reference_right = 0;  // how many of the reference's pictures do

    // The figures that are below the gate.
    std::vector<Shortfall> shortfalls() const;

    // The same in one line, for an error message; empty if there is none.
    std::string shortfall_summary() const;

    // Whether it reaches the gate.
    bool passes() const { return shortfalls().empty(); }

    // Whether the difference is invisible in every picture.
    bool visually_lossless() const;

    // All figures in one line, for people.
    std::string summary() const;

    // The figures of an engine's `parity`, an object or null; none if they are missing or no finite numbers.
    static std::optional<Quality> of_parity(const Json& parity);
};

}  // namespace latentlink
