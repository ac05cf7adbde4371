// The noise levels that samplers of flow-matching models visit.
#pragma once

#include <optional>
#include <string>

#include "samplers/schedules/spacing.h"

namespace latentlink {

// The settings of a grid, with every choice made.
struct FlowGridRequest {
    int steps = 1;         // N
    int T = 1000;          // timesteps of training
    double shift = 1;      // s of `static_shift`
    bool dynamic = false;  // whether s depends on the picture's size; training's levels are then not shifted
    bool uniform = false;  // whether levels before shifting go down to 1/N, not to the lowest of training
    std::optional<double> terminal = {};  // the last level above 0; none for the shifted one
    std::string sigmas;                   // a name of SIGMAS, or ""

    // `static_shift`; a dynamic shift uses other operations, as their last bit decides a whole timestep.
    double shifted(double sigma) const;
};

// Esser et al. 2024, eq. 23: levels of a picture with `shift**2` times as many pixels that look as noisy.
double static_shift(double sigma, double shift);

// For solvers in sigma, the share of noise, from 1. Timesteps are not whole. If levels go down to the lowest of
// training, a static shift applies twice to that one: once in training's level, once as for all others, as in
// FlowMatchEulerDiscreteScheduler of diffusers.
Grid share_grid(const FlowGridRequest& request);

// For DPM-Solver++, the ratio of noise to signal; whole timesteps. Levels are evenly spaced from 0 to 1 - 1/T, and the
// lowest is left out for the clean picture.
Grid dpmpp_grid(const FlowGridRequest& request);

// For UniPC, the ratio of noise to signal; whole timesteps. Levels are evenly spaced from 1 to 1/T, and the lowest is
// left out for the clean picture.
Grid unipc_grid(const FlowGridRequest& request);

}  // namespace latentlink
