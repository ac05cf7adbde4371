// From a request to a sampler's table.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "samplers/schedules/schedule.h"
#include "samplers/solvers/table.h"

namespace latentlink {

struct SamplerRequest {
    std::string sampler;  // a member of `samplers_for(training)`
    int steps;            // of a whole run, from 1; two-call solvers have about twice as many rows
    std::optional<std::string> spacing =
        {};  // a name of SPACINGS; none for the checkpoint's, else the sampler's default
    std::optional<std::string> sigmas = {};      // a name of SIGMAS; none for the checkpoint's own levels
    std::optional<double> eta = {};              // amount of fresh noise, 0 to 1, for samplers that have it
    std::optional<double> shift = {};            // static shift of the levels, above 0, for flow-matching models
    std::optional<int> width = {}, height = {};  // of the picture in pixels; read only if levels depend on it
    double strength = 1;               // share of the steps that run, counted from the end: x is a noisy picture
    std::optional<double> start = {};  // share of the training timesteps that another model has done
    std::optional<double> end = {};    // share of the training timesteps after which another model takes over
};

// The table of a sampler for all steps, or for the requested part of them.
// Throws UsageError: a name is unknown, a value is out of range, the combination is not possible, or no step is left.
SamplerTable sampler_table(const Schedule& training, const SamplerRequest& request);

// Names of the samplers that fit a model with this schedule.
std::vector<std::string_view> samplers_for(const Schedule& training);

// Refuses a number of steps that is not from 1 to T with a UsageError.
void check_steps(int steps, int T);

}  // namespace latentlink
