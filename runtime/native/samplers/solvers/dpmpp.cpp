// DPM-Solver++ (Lu et al. 2022b): exponential integrators in lambda = log(alpha/sigma). D is the predicted x0.
//
// Ratios are sigma/alpha as in Karras et al. 2022, so lambda = -log(ratio) and exp(-h) = ratio' / ratio, which stays
// exact if the last ratio is 0. Flow-matching models differ only in how alpha follows from the ratio.

#include <algorithm>
#include <cmath>

#include "samplers/solvers/solvers.h"

namespace latentlink {

namespace {

// h / h_prev, the factor on the difference D - D1; 0 if the step has to be of first order.
double second_order_ratio(const Plan& plan, int step) {
    if (step == plan.begin) return 0;
    if (plan.is_last(step) && (plan.count() < FEW_STEPS || plan.sigmas.back() == 0)) return 0;
    const double before = plan.sigma(step - 1), now = plan.sigma(step), after = plan.sigma(step + 1);
    return std::log(now / after) / std::log(before / now);
}

}  // namespace

// Lu et al. 2022b, algorithm 2: DPM-Solver++(2M), midpoint.
std::vector<Row> dpmpp_2m(const Plan& plan) {
    std::vector<Row> rows;
    for (const auto& [step, t, ratio, ratio_next] : plan.steps()) {
        const Level level = alpha_sigma(plan.prediction, ratio), next = alpha_sigma(plan.prediction, ratio_next);
        const auto [p, q] = x0_coefficients(plan.prediction, level.signal, level.noise);
        const double b = -next.signal * (ratio_next / ratio - 1);
        const double half_ratio = second_order_ratio(plan, step) / 2;
        rows.push_back({.t = t,
                        .p = p,
                        .q = q,
                        .a = next.noise / level.noise,
                        .b = {b * (1 + half_ratio), -b * half_ratio},
                        .step = step,
                        .level = level});
    }
    return rows;
}

// Lu et al. 2022b, SDE-DPM-Solver++(2M), midpoint. Noise is drawn at the last step too.
std::vector<Row> dpmpp_2m_sde(const Plan& plan) {
    std::vector<Row> rows;
    for (const auto& [step, t, ratio, ratio_next] : plan.steps()) {
        const Level level = alpha_sigma(plan.prediction, ratio), next = alpha_sigma(plan.prediction, ratio_next);
        const auto [p, q] = x0_coefficients(plan.prediction, level.signal, level.noise);
        const double decay = ratio_next / ratio;  // exp(-h)
        const double b = next.signal * (1 - decay * decay);
        const double half_ratio = second_order_ratio(plan, step) / 2;
        rows.push_back({.t = t,
                        .p = p,
                        .q = q,
                        .a = next.noise / level.noise * decay,
                        .b = {b * (1 + half_ratio), -b * half_ratio},
                        // rounding may put the last level a bit below the one after it
                        .c = next.noise * std::sqrt(std::max(1 - decay * decay, 0.0)),
                        .step = step,
                        .level = level,
                        .draws = true});
    }
    return rows;
}

// Lu et al. 2022b, algorithm 1: DPM-Solver++(2S), midpoint. Each call of the model counts as a step.
//
// Steps go in pairs: a first-order one to the middle of the pair, then the pair again from its start with both Ds. The
// start is recovered from the middle, as that is first order in D1 alone. The last step is of first order if it ends at
// a clean picture or completes no pair.
std::vector<Row> dpmpp_2s(const Plan& plan) {
    std::vector<Row> rows;
    const bool to_zero = plan.sigmas.back() == 0;
    for (const auto& [step, t, ratio, ratio_next] : plan.steps()) {
        const Level level = alpha_sigma(plan.prediction, ratio), next = alpha_sigma(plan.prediction, ratio_next);
        const auto [p, q] = x0_coefficients(plan.prediction, level.signal, level.noise);
        const bool first = step % 2 == 0 || step == plan.begin || (plan.is_last(step) && to_zero);
        const double a = next.noise / level.noise;
        double b0 = -next.signal * (ratio_next / ratio - 1), b1 = 0;
        if (!first) {
            const double start = plan.sigma(step - 1);
            // the pair's h over that of its first half
            const double stretch = std::log(start / ratio_next) / std::log(start / ratio);
            const double b = -next.signal * (ratio_next / start - 1);
            b0 = b * stretch / 2;
            b1 = b * (1 - stretch / 2) - a * rows.back().b[0];
        }
        rows.push_back(
            {.t = t, .p = p, .q = q, .a = a, .b = {b0, b1}, .step = step, .level = level, .recovers = !first});
    }
    return rows;
}

}  // namespace latentlink
