// Sampler tables: those of the Python runtime, number by number.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "samplers/solvers/clean.h"
#include "vectors.h"

using namespace latentlink;

namespace {

// As in tests/vectors/write.py: the most rows that are kept whole, numbers of a row, and numbers before the rows.
constexpr std::size_t KEPT = 4, COLUMNS_KEPT = 18, HEAD = 4 + COLUMNS_KEPT;

// Both runtimes compute in float64 by the same formulas; their logarithms and powers differ in the last bit, which a
// difference of nearly equal numbers makes larger.
constexpr double TOLERANCE = 1e-12;

// The column u of clean coefficients is the difference of two numbers of up to 4096 that is often 0: a bit of these is
// 9e-13, below which u says nothing.
constexpr std::size_t U = 16;
constexpr double LEAST_U = 4;

// What tests/vectors/write.py keeps of a row.
std::vector<double> numbers_of(const SamplerTable& table, const std::vector<std::array<double, 2>>& clean,
                               std::size_t row) {
    std::vector<double> numbers(table.rows[row].begin(), table.rows[row].end());
    const double flags = (table.draws[row] ? 1 : 0) + (table.recovers[row] ? 2 : 0);
    const double sigma = std::isfinite(table.sigmas[row]) ? table.sigmas[row] : -1;
    const auto [signal, noise] = table.levels[row];
    for (const double number :
         {static_cast<double>(table.step[row]), flags, signal, noise, sigma, clean[row][0], clean[row][1]}) {
        numbers.push_back(number);
    }
    return numbers;
}

// What tests/vectors/write.py keeps of a table.
std::vector<double> numbers_of(const SamplerTable& table, Prediction prediction) {
    const auto clean = clean_coefficients(table, prediction);
    const std::size_t R = table.rows.size();
    std::vector<double> sums, kept;
    for (std::size_t row = 0; row < R; ++row) {
        const auto numbers = numbers_of(table, clean, row);
        sums.resize(numbers.size());
        for (std::size_t i = 0; i < numbers.size(); ++i) sums[i] += std::abs(numbers[i]);
        if (R <= KEPT || row < 2 || row == R / 2 || row == R - 1) {
            kept.insert(kept.end(), numbers.begin(), numbers.end());
        }
    }
    std::vector<double> made = {static_cast<double>(R), table.start_scale, table.levels.back().signal,
                                table.levels.back().noise};
    made.insert(made.end(), sums.begin(), sums.end());
    made.insert(made.end(), kept.begin(), kept.end());
    return made;
}

}  // namespace

TEST_CASE("every table has the numbers of the Python runtime") {
    const auto different = read_tensor<double>("tables.safetensors", "different");
    const auto places = read_tensor<std::uint16_t>("tables.safetensors", "places");
    const Json cases = read_json("tables.json").at("cases");
    REQUIRE(cases.size() > 1000);
    double largest = 0;
    std::size_t at = 0, differing = 0;
    for (const Json& given : cases) {
        CAPTURE(given.dump());
        const Schedule schedule = schedule_named(given.at("schedule"));
        const auto numbers = numbers_of(sampler_table(schedule, request_of(given)), prediction_of(schedule));
        REQUIRE(at + numbers.size() <= places.size());
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            const double expected = different[places[at + i]];
            const double apart = std::abs(numbers[i] - expected);
            if (apart == 0) continue;
            // The first column of a row is its timestep.
            const bool whole = i >= HEAD && (i - HEAD) % COLUMNS_KEPT == 0 && expected == std::floor(expected);
            CHECK_MESSAGE(!whole, "timestep " << numbers[i] << " of number " << i << ", expected " << expected);
            const bool u = i == HEAD - COLUMNS_KEPT + U || (i >= HEAD && (i - HEAD) % COLUMNS_KEPT == U);
            const double size = std::max(std::abs(expected), u ? LEAST_U : 0);
            CHECK_MESSAGE(apart <= TOLERANCE * size, numbers[i] << " of number " << i << ", expected " << expected);
            if (!u) {
                largest = std::max(largest, apart / size);
                ++differing;
            }
        }
        at += numbers.size();
    }
    CHECK(at == places.size());
    MESSAGE(cases.size() << " tables, " << differing << " of " << at << " numbers differ, by at most " << largest);
}
