// The input of a sampler, with every choice made and every number known.
#pragma once

#include <vector>

#include "samplers/schedules/levels.h"
#include "samplers/schedules/prediction.h"

namespace latentlink {

struct Step {
    int step;
    double t, sigma, sigma_next;
};

// A run of a sampler: all its N steps, of which the first `begin` are left out.
struct Plan {
    Numbers timesteps;  // [N], the timesteps that the model reads, noisiest first
    Numbers sigmas;  // [N+1], the level at each step and after the last, 0 for a clean picture: the ratio of noise to
                     // signal, or for the solvers of flow.cpp the share of noise
    Prediction prediction = Prediction::epsilon;
    int begin = 0;  // the step that the run begins with; history starts empty there, the number of steps stays N

    int count() const { return static_cast<int>(timesteps.size()); }

    double sigma(int step) const { return sigmas.at(static_cast<std::size_t>(step)); }

    bool is_last(int step) const { return step == count() - 1; }

    // Every step that runs; the first step of the whole run is 0.
    std::vector<Step> steps() const {
        std::vector<Step> made;
        for (int i = begin; i < count(); ++i) {
            made.push_back({i, timesteps[static_cast<std::size_t>(i)], sigma(i), sigma(i + 1)});
        }
        return made;
    }

    // The timestep of the step after this one.
    double next_timestep(int step, double after_last) const {
        return is_last(step) ? after_last : timesteps.at(static_cast<std::size_t>(step) + 1);
    }
};

// A run on a model that was trained with a noise schedule.
struct NoisePlan : Plan {
    NoisePlan(Plan plan, NoiseLevels training_levels) : Plan(std::move(plan)), levels(std::move(training_levels)) {}

    NoiseLevels levels;           // of training
    double final_alpha_bar = 1;   // after the last step of a sampler that works on timesteps
    int stride = 1;               // T / steps, which DDIM and PNDM use; not always the distance of two timesteps
    double eta = 0;               // amount of fresh noise, 0 to 1, for samplers that have it
    double timestep_scaling = 1;  // in a consistency model's boundary condition

    // alpha_bar of a whole timestep; `final_alpha_bar` below 0.
    double alpha_bar(double t) const {
        return t >= 0 ? levels.alpha_bar().at(static_cast<std::size_t>(t)) : final_alpha_bar;
    }
};

}  // namespace latentlink
