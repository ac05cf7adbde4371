#include "samplers/solvers/clean.h"

#include <cmath>

namespace latentlink {

std::vector<std::array<double, 2>> clean_coefficients(const SamplerTable& table, Prediction prediction) {
    std::vector<std::array<double, 2>> made;
    for (std::size_t i = 0; i < table.rows.size(); ++i) {
        const double c_in = table.rows[i][1], p = table.rows[i][2], q = table.rows[i][3], ratio = table.sigmas[i];
        const double signal = prediction == Prediction::flow ? 1 / (1 + ratio) : 1 / std::hypot(1, ratio);
        const double noise = std::isinf(ratio) ? 1 : ratio * signal;
        if (q == 0 || (signal == 0 && prediction == Prediction::epsilon)) {
            made.push_back({0, 0});
            continue;
        }
        const auto [of_x, of_m] = x0_coefficients(prediction, signal, noise);
        made.push_back({of_x * c_in - of_m * p / q, of_m / q});
    }
    return made;
}

}  // namespace latentlink
