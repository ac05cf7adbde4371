// DEIS (Zhang and Chen 2023), log-rho, order 2. D is the predicted noise.

#include <cmath>

#include "samplers/solvers/solvers.h"

namespace latentlink {

namespace {

// The integral over rho of the line in log(rho) that is 1 at `one` and 0 at `zero`.
double integral(double start, double end, double one, double zero) {
    const auto primitive = [=](double rho) {
        return rho * (std::log(rho) - std::log(zero) - 1) / (std::log(one) - std::log(zero));
    };
    return primitive(end) - primitive(start);
}

}  // namespace

// Zhang and Chen 2023, the multistep method with polynomials in log(rho).
//
// With rho = sigma/alpha: x'/alpha' = x/alpha + sum of D_k times the integral, from rho to rho', of the Lagrange
// polynomial in log(rho).
std::vector<Row> deis(const Plan& plan) {
    std::vector<Row> rows;
    for (const auto& [step, t, rho, rho_next] : plan.steps()) {
        const Level level = alpha_sigma(plan.prediction, rho), next = alpha_sigma(plan.prediction, rho_next);
        const auto [p, q] = epsilon_coefficients(plan.prediction, level.signal, level.noise);
        double newest = rho_next - rho, older = 0;
        if (step > plan.begin && !(plan.is_last(step) && plan.count() < FEW_STEPS)) {
            const double before = plan.sigma(step - 1);
            newest = integral(rho, rho_next, rho, before);
            older = integral(rho, rho_next, before, rho);
        }
        rows.push_back({.t = t,
                        .p = p,
                        .q = q,
                        .a = next.signal / level.signal,
                        .b = {next.signal * newest, next.signal * older},
                        .step = step,
                        .level = level});
    }
    return rows;
}

}  // namespace latentlink
