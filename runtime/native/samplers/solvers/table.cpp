#include "samplers/solvers/table.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace latentlink {

SamplerTable::SamplerTable(std::span<const Row> listed, double start_scale, Level level_after)
    : start_scale(start_scale) {
    if (listed.empty()) throw std::invalid_argument("Received no rows; expected at least one.");
    for (const Row& row : listed) {
        const auto& b = row.b;
        rows.push_back({row.t, row.c_in, row.p, row.q, row.a, b[0], b[1], b[2], b[3], b[4], row.c});
        draws.push_back(row.draws);
        step.push_back(row.step - listed.front().step);
        levels.push_back(row.level);
        sigmas.push_back(row.sigma.value_or(row.level.noise / row.level.signal));
        recovers.push_back(row.recovers);
        if (row.c != 0 && !row.draws) {
            throw std::invalid_argument(
                "Received a row with c and no draw; expected draws to be true where c is not 0.");
        }
    }
    levels.push_back(level_after);
    const auto finite = [](double value) { return std::isfinite(value); };
    if (!std::ranges::all_of(rows, [&](const auto& row) { return std::ranges::all_of(row, finite); }) ||
        !std::ranges::all_of(levels, [&](Level level) { return finite(level.signal) && finite(level.noise); })) {
        throw std::invalid_argument("Received coefficients that are not finite; expected numbers in every row.");
    }
}

}  // namespace latentlink
