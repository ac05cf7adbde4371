#include "samplers/noise_plan.h"

#include <cmath>

#include "vocabulary/texts.h"

namespace latentlink {

namespace {

// The schedule that published consistency models were distilled on, and the scaling of their boundary condition.
constexpr int ORIGINAL_STEPS = 50;
constexpr double TIMESTEP_SCALING = 10;

std::string quoted(const Sampler& sampler) { return "sampler " + repr(sampler.name); }

// The requested spacing, else the checkpoint's if the sampler supports it, else the sampler's default.
std::string spacing_of(const Sampler& sampler, const TrainingSchedule& training,
                       const std::optional<std::string>& spacing) {
    if (spacing) {
        return one_of(std::string_view(*spacing), sampler.spacings, "spacing", " for " + quoted(sampler));
    }
    const auto& own = training.timestep_spacing;
    return own && contains(sampler.spacings, *own) ? *own : std::string(sampler.spacing);
}

std::string sigmas_of_run(const Sampler& sampler, const TrainingSchedule& training,
                          const std::optional<std::string>& sigmas) {
    if (sigmas) return one_of(std::string_view(*sigmas), sampler.sigmas, "sigmas", " for " + quoted(sampler));
    return training.sigmas && contains(sampler.sigmas, *training.sigmas) ? *training.sigmas : "";
}

double eta_of(const Sampler& sampler, std::optional<double> eta) {
    if (!eta) return sampler.eta.value_or(0);
    if (!sampler.eta) {
        std::vector<std::string_view> having;
        for (const Sampler& other : noise_samplers()) {
            if (other.eta) having.push_back(other.name);
        }
        throw refusal("eta " + repr(*eta) + " with " + quoted(sampler), "a sampler that has one: " + joined(having),
                      "Leave eta out.");
    }
    if (!(*eta >= 0 && *eta <= 1)) {
        throw refusal("eta " + repr(*eta), "a number from 0 to 1", "0 draws no fresh noise.");
    }
    return *eta;
}

}  // namespace

NoisePlan noise_plan(const Sampler& sampler, const TrainingSchedule& training, const NoisePlanRequest& request) {
    const std::string sigmas = sigmas_of_run(sampler, training, request.sigmas);
    const NoiseLevels levels = training.levels(sampler.zero_snr);
    std::vector<RoundingOf> rounding(sampler.rounding.begin(), sampler.rounding.end());
    if (sampler.floors_cosine && training.beta_schedule == "squaredcos_cap_v2") {
        rounding.insert(rounding.begin(), {"karras", Rounding::down});
    }
    const std::string ends_at(sampler.ends_at);
    const GridRequest grid_request{
        .steps = request.steps,
        .spacing = spacing_of(sampler, training, request.spacing),
        .offset = training.steps_offset.value_or(0),
        .sigmas = sigmas,
        .rounding = rounding,
        .ends_at_sigma_min =
            (sampler.ends_at_is_fixed ? ends_at : training.final_sigmas_type.value_or(ends_at)) == "sigma_min",
        .original_steps = training.original_inference_steps.value_or(ORIGINAL_STEPS),
    };
    Grid grid = sampler.grid(levels, grid_request);
    if (!std::isfinite(grid.sigmas.front()) && training.prediction() == Prediction::epsilon) {
        throw refusal(quoted(sampler) + " from timestep " + general(grid.timesteps.front()) +
                          ", which is pure noise, with a model that predicts epsilon",
                      "a prediction that says something about the picture there",
                      "Use spacing 'leading', or sampler 'euler'.");
    }
    NoisePlan plan({std::move(grid.timesteps), std::move(grid.sigmas), training.prediction()}, levels);
    const bool ends_at_one = training.set_alpha_to_one.value_or(sampler.ends_at_one);
    plan.final_alpha_bar = ends_at_one ? 1 : levels.alpha_bar().front();
    plan.stride = training.num_train_timesteps / request.steps;
    plan.eta = eta_of(sampler, request.eta);
    plan.timestep_scaling = training.timestep_scaling.value_or(TIMESTEP_SCALING);
    return plan;
}

double start_scale(const Sampler& sampler, const TrainingSchedule& training, const NoisePlan& plan,
                   const std::optional<std::string>& spacing) {
    if (!sampler.scaled) return 1;
    const double highest = plan.sigmas.front();
    // The first level of "leading" is not the highest of training, so x there also has the variance of the signal, 1.
    return spacing_of(sampler, training, spacing) == "leading" ? std::hypot(highest, 1) : highest;
}

}  // namespace latentlink
