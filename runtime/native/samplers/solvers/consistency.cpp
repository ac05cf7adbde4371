// LCM and TCD, for consistency models: a few steps, each to a clean picture or near it, then fresh noise.

#include <cmath>

#include "samplers/solvers/solvers.h"

namespace latentlink {

namespace {

constexpr double SIGMA_DATA = 0.5;

}  // namespace

// Luo et al. 2023 (Latent Consistency Models), multistep sampling. D = c_skip*x + c_out*x0, then noise to the next
// level.
std::vector<Row> lcm(const NoisePlan& plan) {
    std::vector<Row> rows;
    for (const auto& [step, t, ratio, ratio_next] : plan.steps()) {
        const double alpha = plan.alpha_bar(t);
        const Level level{std::sqrt(alpha), std::sqrt(1 - alpha)};
        const auto [p, q] = x0_coefficients(plan.prediction, level.signal, level.noise);
        const double scaled = t * plan.timestep_scaling, width = scaled * scaled + SIGMA_DATA * SIGMA_DATA;
        const double c_skip = SIGMA_DATA * SIGMA_DATA / width, c_out = scaled / std::sqrt(width);
        const bool last = plan.is_last(step);
        const double alpha_next = last ? 1 : plan.alpha_bar(plan.next_timestep(step, 0));
        rows.push_back({.t = t,
                        .p = c_skip + c_out * p,
                        .q = c_out * q,
                        .b = {std::sqrt(alpha_next)},
                        .c = std::sqrt(1 - alpha_next),
                        .step = step,
                        .level = level,
                        .draws = !last});
    }
    return rows;
}

// Zheng et al. 2024 (Trajectory Consistency Distillation), strategic stochastic sampling.
//
// The model jumps to s = (1 - eta)*t', then noise brings it to t'. D is the predicted x0. The last step ends at
// timestep 0 and draws nothing.
std::vector<Row> tcd(const NoisePlan& plan) {
    std::vector<Row> rows;
    for (const auto& [step, t, ratio, ratio_next] : plan.steps()) {
        const double t_next = plan.next_timestep(step, 0);
        // float32, because diffusers rounds this product to it before cutting off the fraction.
        const float product = static_cast<float>(1 - plan.eta) * static_cast<float>(t_next);
        const double s = std::floor(static_cast<double>(product));
        const double alpha = plan.alpha_bar(t), alpha_s = plan.alpha_bar(s), alpha_next = plan.alpha_bar(t_next);
        const bool noisy = plan.eta > 0 && !plan.is_last(step);
        const double scale = noisy ? std::sqrt(alpha_next / alpha_s) : 1;
        const Level level{std::sqrt(alpha), std::sqrt(1 - alpha)};
        const auto [p, q] = x0_coefficients(plan.prediction, level.signal, level.noise);
        const double a = scale * std::sqrt(1 - alpha_s) / level.noise;
        const double b0 = scale * std::sqrt(alpha_s) - a * level.signal;
        rows.push_back({.t = t,
                        .p = p,
                        .q = q,
                        .a = a,
                        .b = {b0},
                        .c = noisy ? std::sqrt(1 - alpha_next / alpha_s) : 0,
                        .step = step,
                        .level = level,
                        .draws = noisy});
    }
    return rows;
}

}  // namespace latentlink
