// From the request for a model with a noise schedule to a plan.
#pragma once

#include <optional>
#include <string>

#include "samplers/registry.h"

namespace latentlink {

// What a user chooses of a sampler's levels; see `SamplerRequest`.
struct NoisePlanRequest {
    int steps;
    std::optional<std::string> spacing = {}, sigmas = {};
    std::optional<double> eta = {};
};

// The plan of a whole run of 1 to T steps.
// Throws UsageError: a name is unknown, a value is out of range, or the combination is not possible.
NoisePlan noise_plan(const Sampler& sampler, const TrainingSchedule& training, const NoisePlanRequest& request);

// The standard deviation of the first x of a run that starts from noise.
double start_scale(const Sampler& sampler, const TrainingSchedule& training, const NoisePlan& plan,
                   const std::optional<std::string>& spacing);

}  // namespace latentlink
