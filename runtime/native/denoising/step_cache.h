// The step cache: steps that reuse an earlier output of the denoiser's deep layers, instead of running them again.
//
// Ma et al. 2024 (DeepCache: Accelerating Diffusion Models for Free), uniform: the whole denoiser runs on every n-th
// step, the shallow one on the steps between (`shallow_rows`).
#pragma once

#include <optional>
#include <string_view>

#include "bundle/sampling.h"
#include "linking/link.h"
#include "request/resolved.h"

namespace latentlink {

// Refuse a step cache that cannot run or is known to spoil pictures of the bundle called `name`.
// Throws UsageError: there is no shallow engine, or the measured quality of its pictures is below the gate.
void check_step_cache(const Linked& linked, const Request& request, const Sampling& sampling, std::string_view name);

// A step cache whose effect on quality was not measured.
struct Unmeasured {
    int every;
    // Steps of the run that it was measured with, more than this run has; none if it was never measured on this model.
    std::optional<int> measured_steps;

    bool operator==(const Unmeasured&) const = default;
};

// The step cache of a run if its effect was not measured; none if it was, or the cache is off.
std::optional<Unmeasured> unmeasured(const Request& request, const Sampling& sampling);

}  // namespace latentlink
