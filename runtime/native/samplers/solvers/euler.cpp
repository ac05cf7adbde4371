// Solvers of dx/dsigma = eps on x = x0 + sigma*eps (Karras et al. 2022, eq. 1 and 3). D is that derivative.

#include <cmath>

#include "samplers/solvers/solvers.h"

namespace latentlink {

// Karras et al. 2022, algorithm 1 without its second-order correction; the same as DDIM in sigma.
std::vector<Row> euler(const Plan& plan) {
    std::vector<Row> rows;
    for (const auto& [step, t, sigma, sigma_next] : plan.steps()) {
        const auto [c_in, p, q] = derivative(plan.prediction, sigma);
        rows.push_back({.t = t,
                        .c_in = c_in,
                        .p = p,
                        .q = q,
                        .a = 1,
                        .b = {sigma_next - sigma},
                        .step = step,
                        .level = {1, sigma}});
    }
    return rows;
}

// Euler's method with ancestral noise: DDPM's posterior (Ho et al. 2020) written in sigma. Noise is drawn at the last
// step too, where its coefficient is 0.
std::vector<Row> euler_a(const Plan& plan) {
    std::vector<Row> rows;
    for (const auto& [step, t, sigma, sigma_next] : plan.steps()) {
        const auto [c_in, p, q] = derivative(plan.prediction, sigma);
        const double square = sigma * sigma, square_next = sigma_next * sigma_next;
        const double up = std::sqrt(square_next * (square - square_next) / square);
        const double down = std::sqrt(square_next - up * up);
        rows.push_back({.t = t,
                        .c_in = c_in,
                        .p = p,
                        .q = q,
                        .a = 1,
                        .b = {down - sigma},
                        .c = up,
                        .step = step,
                        .level = {1, sigma},
                        .draws = true});
    }
    return rows;
}

// Karras et al. 2022, algorithm 1: Euler to the next level, then again with the mean of both derivatives. The second
// row starts from the first row's result, h*D1 past the x that the step began with.
std::vector<Row> heun(const Plan& plan) {
    std::vector<Row> rows;
    for (const auto& [step, t, sigma, sigma_next] : plan.steps()) {
        const double h = sigma_next - sigma;
        const auto [c_in, p, q] = derivative(plan.prediction, sigma);
        rows.push_back({.t = t, .c_in = c_in, .p = p, .q = q, .a = 1, .b = {h}, .step = step, .level = {1, sigma}});
        if (sigma_next > 0) {
            const auto [c_in_next, p_next, q_next] = derivative(plan.prediction, sigma_next);
            rows.push_back({.t = plan.next_timestep(step, 0),
                            .c_in = c_in_next,
                            .p = p_next,
                            .q = q_next,
                            .a = 1,
                            .b = {h / 2, h / 2 - h},
                            .step = step,
                            .level = {1, sigma_next},
                            .recovers = true});
        }
    }
    return rows;
}

// DPM-Solver-2 (Lu et al. 2022, algorithm 1) in sigma: Euler to the midpoint in log(sigma), then one whole step with
// the derivative found there. The picture around a mask is at the next level while the model sees the middle, as in
// diffusers.
std::vector<Row> dpm2(const NoisePlan& plan) {
    std::vector<Row> rows;
    for (const auto& [step, t, sigma, sigma_next] : plan.steps()) {
        const double middle = std::sqrt(sigma * sigma_next);
        const double to_middle = middle - sigma, h = sigma_next - sigma;
        const auto [c_in, p, q] = derivative(plan.prediction, sigma);
        rows.push_back(
            {.t = t, .c_in = c_in, .p = p, .q = q, .a = 1, .b = {to_middle}, .step = step, .level = {1, sigma}});
        if (sigma_next > 0) {
            const auto [c_in_middle, p_middle, q_middle] = derivative(plan.prediction, middle);
            rows.push_back({.t = plan.levels.timestep_of(middle),
                            .c_in = c_in_middle,
                            .p = p_middle,
                            .q = q_middle,
                            .a = 1,
                            .b = {h, -to_middle},
                            .step = step,
                            .level = {1, sigma_next},
                            .recovers = true,
                            .sigma = middle});
        }
    }
    return rows;
}

}  // namespace latentlink
