// Solvers of dx/dsigma = m on x = (1 - sigma)*x0 + sigma*eps, where the model m predicts the flow eps - x0.
//
// Lipman et al. 2023 (Flow Matching), Liu et al. 2023 (Rectified Flow). D is that flow.

#include "samplers/solvers/solvers.h"

namespace latentlink {

// Euler's method: Esser et al. 2024 (Scaling Rectified Flow Transformers).
std::vector<Row> flow_euler(const Plan& plan) {
    std::vector<Row> rows;
    for (const auto& [step, t, sigma, sigma_next] : plan.steps()) {
        rows.push_back({.t = t, .q = 1, .a = 1, .b = {sigma_next - sigma}, .step = step, .level = {1 - sigma, sigma}});
    }
    return rows;
}

// Karras et al. 2022, algorithm 1: Euler to the next level, then again with the mean of both flows.
std::vector<Row> flow_heun(const Plan& plan) {
    std::vector<Row> rows;
    for (const auto& [step, t, sigma, sigma_next] : plan.steps()) {
        const double h = sigma_next - sigma;
        rows.push_back({.t = t, .q = 1, .a = 1, .b = {h}, .step = step, .level = {1 - sigma, sigma}});
        if (sigma_next > 0) {
            rows.push_back({.t = plan.next_timestep(step, 0),
                            .q = 1,
                            .a = 1,
                            .b = {h / 2, h / 2 - h},
                            .step = step,
                            .level = {1 - sigma_next, sigma_next},
                            .recovers = true});
        }
    }
    return rows;
}

}  // namespace latentlink
