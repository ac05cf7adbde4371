#include "denoising/step_cache.h"

#include "vocabulary/errors.h"

namespace latentlink {

void check_step_cache(const Linked& linked, const Request& request, const Sampling& sampling, std::string_view name) {
    if (request.step_cache == 1) return;
    const std::string every = "step_cache " + std::to_string(request.step_cache);
    if (!linked.shallow) {
        throw UsageError(every + " runs a shallow denoiser between whole ones, but " + std::string(name) +
                             " has none that runs here.",
                         "Leave it out, or export the checkpoint with --step-cache 1 and build it again.");
    }
    const auto& measured = sampling.step_cache;
    if (!measured || measured->every != request.step_cache || request.steps > measured->steps) return;
    const std::string missed = measured->quality.shortfall_summary();
    if (missed.empty()) return;
    throw UsageError("The pictures of " + std::string(name) + " with " + every + " and " +
                         std::to_string(measured->steps) + " steps are below the gate: " + missed + ".",
                     "Leave it out, or use a smaller one, or more steps.");
}

std::optional<Unmeasured> unmeasured(const Request& request, const Sampling& sampling) {
    const auto& measured = sampling.step_cache;
    if (request.step_cache == 1) return std::nullopt;
    if (!measured || measured->every != request.step_cache) return Unmeasured{request.step_cache, std::nullopt};
    if (request.steps >= measured->steps) return std::nullopt;
    return Unmeasured{request.step_cache, static_cast<int>(measured->steps)};
}

}  // namespace latentlink
