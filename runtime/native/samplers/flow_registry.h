// The samplers of models that predict flows, by name.
//
// A sampler equals the scheduler class of diffusers that is named with it, with `use_flow_sigmas` if the class has it,
// and with the `mu` that pipelines pass. "dpmpp_2m" and "unipc" are the same formulas as for other models.
#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "samplers/schedules/flow_spacing.h"
#include "samplers/schedules/refusal.h"
#include "samplers/solvers/solvers.h"

namespace latentlink {

// A sampler of flow-matching models: its formula, its levels and its settings.
struct FlowSampler {
    std::string_view name;
    std::function<std::vector<Row>(const Plan&)> rows;  // the formula
    std::function<Grid(const FlowGridRequest&)> grid;   // the noise levels that it visits
    std::string_view summary;                           // one line for help texts
    std::string_view paper;
    std::string_view diffusers;  // the equivalent scheduler class
    Names sigmas = {};           // values of `sigmas` besides none; the checkpoint's own kind only if it is among them
    int calls = 1;               // of the denoiser per step
};

std::span<const FlowSampler> flow_samplers();

// One of them by name, or none.
const FlowSampler* flow_sampler(std::string_view name);

}  // namespace latentlink
