// From the request for a flow-matching model to a plan.
#pragma once

#include <optional>
#include <string>

#include "samplers/flow_registry.h"
#include "samplers/schedules/flow_schedule.h"

namespace latentlink {

// What a user chooses of a sampler's levels; see `SamplerRequest`.
struct FlowPlanRequest {
    int steps;
    std::optional<std::string> sigmas = {};
    std::optional<double> shift = {};
    std::optional<int> width = {}, height = {};
};

// The plan of a whole run of 1 to T steps.
// Throws UsageError: a name is unknown, a value is out of range, or the combination is not possible.
Plan flow_plan(const FlowSampler& sampler, const FlowSchedule& training, const FlowPlanRequest& request);

}  // namespace latentlink
