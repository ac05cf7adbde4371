#include "samplers/flow_plan.h"

#include "vocabulary/texts.h"

namespace latentlink {

namespace {

double checked_shift(double shift) {
    if (shift > 0 && shift <= 1000) return shift;
    throw refusal("shift " + repr(shift), "a number above 0 and at most 1000", "1 to 6 are usual.");
}

}  // namespace

Plan flow_plan(const FlowSampler& sampler, const FlowSchedule& training, const FlowPlanRequest& request) {
    std::string sigmas;
    if (request.sigmas) {
        sigmas = one_of(std::string_view(*request.sigmas), sampler.sigmas, "sigmas",
                        " for sampler " + repr(sampler.name) + " with a flow-matching model");
    } else if (training.sigmas && contains(sampler.sigmas, *training.sigmas)) {
        sigmas = *training.sigmas;
    }
    const bool dynamic = training.use_dynamic_shifting && !request.shift;
    Grid grid = sampler.grid({
        .steps = request.steps,
        .T = training.num_train_timesteps,
        .shift = dynamic         ? training.dynamic_shift(request.width, request.height)
                 : request.shift ? checked_shift(*request.shift)
                                 : training.shift,
        .dynamic = dynamic,
        .uniform = training.sigma_grid == "uniform",
        .terminal = training.shift_terminal,
        .sigmas = sigmas,
    });
    return {std::move(grid.timesteps), std::move(grid.sigmas), Prediction::flow};
}

}  // namespace latentlink
