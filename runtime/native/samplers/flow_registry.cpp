#include "samplers/flow_registry.h"

#include <algorithm>

namespace latentlink {

// The class of flow_heun knows static shifts only; with any other setting it visits the levels of flow_euler.
std::span<const FlowSampler> flow_samplers() {
    static const std::vector<FlowSampler> samplers = {
        {.name = "flow_euler",
         .rows = flow_euler,
         .grid = share_grid,
         .summary = "Euler's method on the flow: the sampler that these models were published with.",
         .paper = "Esser et al. 2024, Scaling Rectified Flow Transformers for High-Resolution Image Synthesis",
         .diffusers = "FlowMatchEulerDiscreteScheduler",
         .sigmas = SIGMAS},
        {.name = "flow_heun",
         .rows = flow_heun,
         .grid = share_grid,
         .summary = "Second order on the flow, two calls per step.",
         .paper = "Karras et al. 2022, Elucidating the Design Space of Diffusion-Based Generative Models",
         .diffusers = "FlowMatchHeunDiscreteScheduler",
         .sigmas = SIGMAS,
         .calls = 2},
        {.name = "dpmpp_2m",
         .rows = dpmpp_2m,
         .grid = dpmpp_grid,
         .summary = "DPM-Solver++(2M) on the flow.",
         .paper = "Lu et al. 2022b, DPM-Solver++",
         .diffusers = "DPMSolverMultistepScheduler"},
        {.name = "unipc",
         .rows = unipc,
         .grid = unipc_grid,
         .summary = "Predictor and corrector of order 2 on the flow, one call per step.",
         .paper = "Zhao et al. 2023, UniPC",
         .diffusers = "UniPCMultistepScheduler"},
    };
    return samplers;
}

const FlowSampler* flow_sampler(std::string_view name) {
    const auto samplers = flow_samplers();
    const auto found = std::ranges::find(samplers, name, &FlowSampler::name);
    return found == samplers.end() ? nullptr : &*found;
}

}  // namespace latentlink
