// LMS and PNDM: Adams-Bashforth on the predicted noise. D is that noise; for PNDM it is the model's raw output.

#include <algorithm>
#include <cmath>
#include <functional>

#include "samplers/schedules/refusal.h"
#include "samplers/solvers/solvers.h"

namespace latentlink {

namespace {

// Adams-Bashforth weights by number of derivatives, newest first.
constexpr double ADAMS_BASHFORTH[4][4] = {
    {1.0},
    {3.0 / 2, -1.0 / 2},
    {23.0 / 12, -16.0 / 12, 5.0 / 12},
    {55.0 / 24, -59.0 / 24, 37.0 / 24, -9.0 / 24},
};

// The integral, from `nodes[0]` to `end`, of the polynomial that is 1 at node k and 0 at the others. Gauss-Legendre
// with two points is exact up to degree 3, which is all there is with four nodes.
double lagrange_integral(const Numbers& nodes, std::size_t k, double end) {
    const double half = (end - nodes[0]) / 2, way = 1 / std::sqrt(3.0);
    double sum = 0;
    for (const double at : {nodes[0] + half * (1 - way), nodes[0] + half * (1 + way)}) {
        double product = 1;
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            if (i != k) product *= (at - nodes[i]) / (nodes[k] - nodes[i]);
        }
        sum += product;
    }
    return half * sum;
}

struct Transfer {
    double x_scale, model_scale;
};

// x' = x_scale*x + model_scale*m from t to t_next: Liu et al. 2022, eq. 9.
Transfer transfer(const NoisePlan& plan, double t, double t_next) {
    const double alpha = plan.alpha_bar(t), alpha_next = plan.alpha_bar(t_next);
    const auto [p, q] = epsilon_coefficients(plan.prediction, std::sqrt(alpha), std::sqrt(1 - alpha));
    const double eps_scale =
        -(alpha_next - alpha) / (alpha * std::sqrt(1 - alpha_next) + std::sqrt(alpha * (1 - alpha) * alpha_next));
    return {std::sqrt(alpha_next / alpha) + eps_scale * p, eps_scale * q};
}

}  // namespace

// Linear multistep of order 4: Adams-Bashforth with unequal steps of sigma (Crowson 2022, k-diffusion).
//
// x' = x + sum of D_k times the integral of the k-th Lagrange polynomial from sigma to sigma'. A run that begins late
// keeps the order and lacks the older Ds, as in diffusers, so its first three steps are not those of a lower order.
std::vector<Row> lms(const Plan& plan) {
    if (std::ranges::adjacent_find(plan.sigmas, std::less_equal<>{}) != plan.sigmas.end()) {
        throw refusal(
            std::to_string(plan.count()) + " steps of sampler 'lms', of which some visit the same noise level",
            "a noise level for each step", "Ask for fewer steps, or another spacing.");
    }
    std::vector<Row> rows;
    for (const auto& [step, t, sigma, sigma_next] : plan.steps()) {
        Numbers nodes;
        for (int earlier = step; earlier >= std::max(step - 3, 0); --earlier) nodes.push_back(plan.sigma(earlier));
        const auto [c_in, p, q] = derivative(plan.prediction, sigma);
        Row row{.t = t, .c_in = c_in, .p = p, .q = q, .a = 1, .step = step, .level = {1, sigma}};
        const auto known = std::min(nodes.size(), static_cast<std::size_t>(step - plan.begin) + 1);
        for (std::size_t k = 0; k < known; ++k) row.b[k] = lagrange_integral(nodes, k, sigma_next);
        rows.push_back(row);
    }
    return rows;
}

// Liu et al. 2022 (Pseudo Numerical Methods), linear multistep without the Runge-Kutta start.
//
// There is one row more than there are steps: the second row repeats the first step with the mean of the noise at both
// of its ends, and that row's D stays out of the later combinations. D is the model's raw output; the prediction is
// converted after combining, with x of the current row.
//
// A run that begins late cuts the list of rows, and its own second row is the one that repeats a step. As in diffusers,
// that leaves out the step which should follow.
std::vector<Row> pndm(const NoisePlan& plan) {
    Numbers visited = plan.timesteps;
    if (visited.size() > 1) visited.insert(visited.begin() + 1, visited[1]);
    std::vector<Row> rows;
    for (int n = 0; n + plan.begin < static_cast<int>(visited.size()); ++n) {
        const double t = visited[static_cast<std::size_t>(n + plan.begin)];
        const bool repeat = n == 1;
        const double t_from = repeat ? t + plan.stride : t;
        auto [x_scale, model_scale] = transfer(plan, t_from, t_from - plan.stride);
        const double alpha = plan.alpha_bar(t);
        Row row{.t = t,
                .q = 1,
                .step = std::max(n - 1, 0),
                .level = {std::sqrt(alpha), std::sqrt(1 - alpha)},
                .recovers = repeat};
        if (repeat) {
            // x_0 = (x - b0*D1) / a with a and b0 of the first row.
            const Row& first = rows.front();
            row.b = {model_scale / 2, model_scale / 2 - x_scale / first.a * first.b[0]};
            x_scale /= first.a;
        } else {
            std::vector<std::size_t> ages;  // of the Ds that are combined, newest first
            for (int earlier = n; earlier >= 0 && ages.size() < 4; --earlier) {
                if (earlier != 1) ages.push_back(static_cast<std::size_t>(n - earlier));
            }
            for (std::size_t i = 0; i < ages.size(); ++i) {
                row.b[ages[i]] = ADAMS_BASHFORTH[ages.size() - 1][i] * model_scale;
            }
        }
        row.a = x_scale;
        rows.push_back(row);
    }
    return rows;
}

}  // namespace latentlink
