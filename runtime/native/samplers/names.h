// The names that AUTOMATIC1111, ComfyUI and diffusers give to samplers, spacings and sigmas.
//
// Case, blanks, hyphens and underscores do not matter, "++" is "pp", and "k_", "sample_" and "Scheduler" are ignored. A
// name that ends in a kind of sigmas, as in "DPM++ 2M Karras", sets these as well.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "samplers/schedules/schedule.h"

namespace latentlink {

// A sampler and its levels by the names of this package, as in `SamplerRequest`.
struct OwnNames {
    std::string sampler;
    std::optional<std::string> spacing = {}, sigmas = {};
};

// The names that a user gave: any name of a sampler, of a spacing (or a schedule of a web UI that visits the timesteps
// of one) and of a kind of sigmas; and the number of steps of a whole run.
struct GivenNames {
    std::string sampler;
    std::optional<std::string> spacing = {}, sigmas = {};
    int steps;
};

// The names of this package for those. Whether the sampler fits the model and has these settings is left to
// `sampler_table`.
// Throws UsageError: a name is unknown, two contradict each other, or a schedule is no spacing here.
OwnNames own_names(const Schedule& training, const GivenNames& given);

// A sampler's name in AUTOMATIC1111's web UI, where it has one.
std::optional<std::string_view> web_name(std::string_view sampler);

}  // namespace latentlink
