// The manifest's records of what `latentlink calibrate` measures: ranges of latents, and the cost of the step cache.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "quality/gate.h"
#include "vocabulary/json.h"

namespace latentlink {

// Smallest and largest value.
using Interval = std::pair<double, double>;

// Smallest and largest statistics of the latents of one noise level, measured over many generations: of
// x / sqrt(signal^2 + noise^2) for a latent x = signal*z + noise*eps, so that samplers that scale x differently share
// them.
struct LatentRange {
    double level = 0;                 // noise / sqrt(signal^2 + noise^2), from 0 (a clean latent) to 1 (pure noise)
    std::vector<Interval> mean, std;  // by channel, of a latent's mean and standard deviation
    Interval rms;                     // of a latent's root mean square over all channels

    Json to_json() const;

    // Throws ManifestError.
    static LatentRange from_json(const Json& value);

    bool operator==(const LatentRange&) const = default;
};

// What the step cache costs in quality, as measured.
struct StepCache {
    std::int64_t every = 0;  // the whole denoiser runs once in this many steps, 2 to 1,000
    std::int64_t steps = 0;  // of the measured runs; with fewer, neighbouring steps are less alike
    Quality quality;         // the pictures with the step cache, compared with those without it
    Json record = {};        // as it was read

    Json to_json() const { return record; }

    // Throws ManifestError.
    static StepCache from_json(const Json& value);
};

}  // namespace latentlink
