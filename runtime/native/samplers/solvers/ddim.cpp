// DDIM and DDPM: steps between timesteps of the training schedule. D is the predicted x0.

#include <algorithm>
#include <cmath>

#include "samplers/solvers/solvers.h"

namespace latentlink {

// Song et al. 2021 (Denoising Diffusion Implicit Models), eq. 12 and 16.
//
// x' = sqrt(alpha')*x0 + sqrt(1 - alpha' - sigma**2)*eps + sigma*noise, with eps = (x - sqrt(alpha)*x0) /
// sqrt(1 - alpha). The step goes to t - T/N, which is not always the next entry of the timesteps.
std::vector<Row> ddim(const NoisePlan& plan) {
    std::vector<Row> rows;
    for (const auto& [step, t, ratio, ratio_next] : plan.steps()) {
        const double alpha = plan.alpha_bar(t), alpha_next = plan.alpha_bar(t - plan.stride);
        const Level level{std::sqrt(alpha), std::sqrt(1 - alpha)};
        const auto [p, q] = x0_coefficients(plan.prediction, level.signal, level.noise);
        const double sigma = plan.eta * std::sqrt((1 - alpha_next) / (1 - alpha) * (1 - alpha / alpha_next));
        const double a = std::sqrt(std::max(1 - alpha_next - sigma * sigma, 0.0)) / level.noise;
        const double b0 = std::sqrt(alpha_next) - a * level.signal;
        rows.push_back({.t = t,
                        .p = p,
                        .q = q,
                        .a = a,
                        .b = {b0},
                        .c = sigma,
                        .step = step,
                        .level = level,
                        .draws = plan.eta > 0});
    }
    return rows;
}

// Ho et al. 2020 (Denoising Diffusion Probabilistic Models), eq. 6 and 7, with the smaller variance.
//
// No noise is drawn at t = 0. Where the last timestep is above 0 it is drawn and almost vanishes: the variance is at
// least 1e-20.
std::vector<Row> ddpm(const NoisePlan& plan) {
    std::vector<Row> rows;
    for (const auto& [step, t, ratio, ratio_next] : plan.steps()) {
        const double alpha_bar = plan.alpha_bar(t), t_next = plan.next_timestep(step, -1);
        const double alpha_bar_next = t_next >= 0 ? plan.alpha_bar(t_next) : 1;
        const double alpha = alpha_bar / alpha_bar_next, beta = 1 - alpha;
        const Level level{std::sqrt(alpha_bar), std::sqrt(1 - alpha_bar)};
        const auto [p, q] = x0_coefficients(plan.prediction, level.signal, level.noise);
        const double b0 = std::sqrt(alpha_bar_next) * beta / (1 - alpha_bar);
        const double a = std::sqrt(alpha) * (1 - alpha_bar_next) / (1 - alpha_bar);
        const double variance = std::max((1 - alpha_bar_next) / (1 - alpha_bar) * beta, 1e-20);
        rows.push_back({.t = t,
                        .p = p,
                        .q = q,
                        .a = a,
                        .b = {b0},
                        .c = t > 0 ? std::sqrt(variance) : 0,
                        .step = step,
                        .level = level,
                        .draws = t > 0});
    }
    return rows;
}

}  // namespace latentlink
