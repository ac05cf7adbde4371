// The timesteps and noise levels that a sampler visits.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "samplers/schedules/levels.h"

namespace latentlink {

// Lin et al. 2024, table 2.
inline constexpr std::array<std::string_view, 3> SPACINGS = {"leading", "linspace", "trailing"};

inline constexpr std::array<std::string_view, 3> SIGMAS = {"karras", "exponential", "beta"};

// `count` falling levels of a kind, a name of SIGMAS, from the highest to the lowest.
Numbers sigmas_of(std::string_view kind, double low, double high, int count);

enum class Rounding { nearest, down };

// By name of SIGMAS, how the timestep of a sigma is made whole; without an entry it is not.
struct RoundingOf {
    std::string_view sigmas;
    Rounding rounding;
};

// The settings of a grid, with every choice made.
struct GridRequest {
    int steps = 1;        // N
    std::string spacing;  // a name of SPACINGS; "" if the sampler has timesteps of its own
    int offset = 0;       // added to timesteps of "leading" spacing
    std::string sigmas;   // a name of SIGMAS, or "" for the levels of the spaced timesteps themselves
    std::vector<RoundingOf> rounding;
    bool ends_at_sigma_min = false;  // the level after the last step is the sigma of t = 0, else 0
    int original_steps = 50;         // of the schedule that a consistency model was distilled on
};

// The timesteps and levels of N steps, noisiest first.
struct Grid {
    Numbers timesteps;  // [N], the timesteps that the model reads
    Numbers sigmas;     // [N+1], the level at each step and after the last one
};

// All of them throw UsageError where timesteps are outside of training, or two steps have the same one.

// Whole timesteps of the training schedule, the first and last of the spacing included (DDIM).
Grid discrete_grid(const NoiseLevels& levels, const GridRequest& request);

// Timesteps that need not be whole; other sigmas keep the ends of the spacing (k-diffusion's solvers).
Grid continuous_grid(const NoiseLevels& levels, const GridRequest& request);

// Whole timesteps without the lowest one of the spacing; other sigmas span the whole training schedule. The lowest is
// left out because the level after the last step takes its place (DPM-Solver and related samplers).
Grid interior_grid(const NoiseLevels& levels, const GridRequest& request);

// N of the timesteps that a consistency model was distilled on (Luo et al. 2023).
Grid distilled_grid(const NoiseLevels& levels, const GridRequest& request);

}  // namespace latentlink
