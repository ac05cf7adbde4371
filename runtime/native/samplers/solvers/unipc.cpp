// UniPC (Zhao et al. 2023), order 2, B(h) = exp(h) - 1 ("bh2"), data prediction. D is the predicted x0.

#include <algorithm>
#include <cmath>

#include "samplers/solvers/solvers.h"

namespace latentlink {

namespace {

// Order of the predictor at this step and of the corrector after it: lower at both ends.
int order(const Plan& plan, int step) { return std::min({2, step - plan.begin + 1, plan.count() - step}); }

// (lambda_before - lambda) / h, negative.
double r_of(const Plan& plan, int step) {
    const double before = plan.sigma(step - 1), now = plan.sigma(step), after = plan.sigma(step + 1);
    return std::log(now / before) / -std::log(after / now);
}

// Weights of D, D1 and D2 in (corrected x - predicted x), for the interval that ended at this step.
std::array<double, 3> correction(const Plan& plan, int step) {
    if (step == plan.begin) return {};
    const double before = plan.sigma(step - 1), now = plan.sigma(step);
    const double h = std::log(now / before);  // h of data prediction is -(lambda - lambda_before)
    const double b = -alpha_sigma(plan.prediction, now).signal * std::expm1(h);
    if (order(plan, step - 1) == 1) return {b / 2, -b / 2, 0};
    // rho solves [1 1; r 1] rho = (b_1, b_2), the order conditions of the paper's theorem.
    const double r = r_of(plan, step - 1);
    const double phi_2 = std::expm1(h) / h - 1, phi_3 = phi_2 / h - 0.5;
    const double b_1 = phi_2 / std::expm1(h), b_2 = 2 * phi_3 / std::expm1(h);
    const double rho_1 = (b_1 - b_2) / (1 - r), rho_c = b_1 - rho_1;
    const double older = (rho_1 - 0.5) / r;  // the predictor's weight is 1/2
    return {b * rho_c, -b * (rho_c + older), b * older};
}

}  // namespace

// Zhao et al. 2023, UniP-2 as the predictor and UniC-2 as the corrector.
//
// A row corrects the x it is given with the new D, then predicts the next x. Predictor and corrector of an interval
// differ only in the weights of D's differences, so correcting adds a combination of Ds to x, and no older x is needed.
// Flow-matching models differ only in how alpha follows from the ratio of noise to signal.
std::vector<Row> unipc(const Plan& plan) {
    std::vector<Row> rows;
    for (const auto& [step, t, ratio, ratio_next] : plan.steps()) {
        const Level level = alpha_sigma(plan.prediction, ratio), next = alpha_sigma(plan.prediction, ratio_next);
        const auto [p, q] = x0_coefficients(plan.prediction, level.signal, level.noise);
        const double a = next.noise / level.noise;
        const double b_h = -next.signal * (ratio_next / ratio - 1);  // -alpha' * B(h)
        const double half = order(plan, step) == 2 ? 0.5 / r_of(plan, step) : 0;
        const auto [d, d1, d2] = correction(plan, step);
        rows.push_back({.t = t,
                        .p = p,
                        .q = q,
                        .a = a,
                        .b = {a * d + b_h * (1 - half), a * d1 + b_h * half, a * d2},
                        .step = step,
                        .level = level,
                        .recovers = step > plan.begin});
    }
    return rows;
}

}  // namespace latentlink
