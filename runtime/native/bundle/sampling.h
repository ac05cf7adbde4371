// The manifest's record of sampling: the training schedule and the model's defaults.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bundle/calibration_records.h"
#include "vocabulary/json.h"

namespace latentlink {

// Numbers of a condition port: for prompts, and for unconditional rows; none if these are the same.
struct Condition {
    std::vector<double> numbers;
    std::optional<std::vector<double>> unconditional = {};

    bool operator==(const Condition&) const = default;
};

using Conditions = std::map<std::string, Condition, std::less<>>;

// The training schedule, and the defaults for what the user does not choose.
struct Sampling {
    Json schedule;           // an object of constants, which `read_schedule` reads: texts, numbers, lists of numbers
    std::string sampler;     // its name
    std::int64_t steps = 0;  // denoising steps, 1 to 10,000
    double guidance = 0;     // 0 to 1,000; unused by a denoiser without a guidance port
    std::int64_t width = 0, height = 0;  // of a picture in pixels, multiples of `size_multiple`
    std::int64_t size_multiple = 0;      // of pixels, of every picture's width and height
    // The unconditional embedding of guidance without a negative prompt: that of the `empty` prompt, or `zeros`.
    std::string unconditional = "empty";
    Conditions conditions = {};                // defaults by name of the denoiser's condition ports
    std::vector<LatentRange> ranges = {};      // levels ascending; empty if not measured
    std::optional<StepCache> step_cache = {};  // none if not measured

    // The part of the record that belongs to the denoiser's weights, and no user chooses.
    Json training() const;

    Json to_json() const;

    // Throws ManifestError.
    static Sampling from_json(const Json& value);
};

}  // namespace latentlink
