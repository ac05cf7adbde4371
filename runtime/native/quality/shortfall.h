// A quality figure that is not good enough: what was measured and what is needed.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace latentlink {

struct Shortfall {
    std::string code;  // `psnr`, `worst`, `latent-cosine`, `ssim` or `prompts`
    double found = 0;
    double needed = 0;
    std::int64_t count = 0;      // code `prompts` only: pictures that were judged
    std::int64_t reference = 0;  // code `prompts` only: how many of the reference's pictures show their prompts
    double tolerance = 0;        // code `prompts` only: share of the judged pictures by which `found` may be below

    // `PSNR 12.0 dB, expected at least 55`.
    std::string summary() const;

    bool operator==(const Shortfall&) const = default;
};

// All of them in one line; empty if there is none.
std::string summary(std::span<const Shortfall> shortfalls);

}  // namespace latentlink
