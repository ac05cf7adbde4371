// The samplers of models that were trained with a noise schedule, by name.
//
// A sampler equals the scheduler class of diffusers that is named with it, made by `from_config` from the checkpoint's
// config and run in its pipeline's loop. Settings that the config leaves out are that class's defaults, listed here.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "samplers/schedules/refusal.h"
#include "samplers/schedules/spacing.h"
#include "samplers/schedules/training.h"
#include "samplers/solvers/solvers.h"

namespace latentlink {

// A sampler of models with a noise schedule: its formula, its timesteps and its settings.
struct Sampler {
    std::string_view name;
    std::function<std::vector<Row>(const NoisePlan&)> rows;            // the formula
    std::function<Grid(const NoiseLevels&, const GridRequest&)> grid;  // the timesteps and levels that it visits
    std::string_view summary;                                          // one line for help texts
    std::string_view paper;
    std::string_view diffusers;                 // the equivalent scheduler class
    std::string_view spacing = "";              // default; "" if it has its own timesteps
    Names spacings = {};                        // values of `spacing`
    Names sigmas = {};                          // values of `sigmas` besides none
    std::span<const RoundingOf> rounding = {};  // how timesteps become whole
    bool floors_cosine = false;                 // timesteps of karras sigmas are rounded down with "squaredcos_cap_v2"
    std::string_view ends_at = "zero";          // default of `final_sigmas_type`
    bool ends_at_is_fixed = true;               // the class has no such setting
    bool ends_at_one = true;                    // default of `set_alpha_to_one`
    ZeroSnr zero_snr = ZeroSnr::ignored;
    bool scaled = false;             // x is x0 + sigma*eps, which starts with deviation sigma instead of 1
    std::optional<double> eta = {};  // default; none if it has no such setting
    int calls = 1;                   // of the denoiser per step; the last step of a two-call solver has one
};

std::span<const Sampler> noise_samplers();

// One of them by name, or none.
const Sampler* noise_sampler(std::string_view name);

}  // namespace latentlink
