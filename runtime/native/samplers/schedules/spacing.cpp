#include "samplers/schedules/spacing.h"

#include <algorithm>
#include <cmath>

#include "samplers/schedules/beta_quantile.h"
#include "samplers/schedules/refusal.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

// Timesteps `[count]` of a spacing, falling.
Numbers spaced(const std::string& spacing, int T, int count, int offset) {
    if (spacing == "linspace") return reversed(linspace(0, T - 1, count));
    Numbers t;
    if (spacing == "leading") {
        for (int i = count - 1; i >= 0; --i) t.push_back(i * (T / count) + offset);
        return t;
    }
    // For some counts arange ends one entry late, at timestep -1, which no model knows.
    t = arange(T, 0, -static_cast<double>(T) / count);
    if (t.size() > static_cast<std::size_t>(count)) t.pop_back();
    return mapped(std::move(t), [](double value) { return std::nearbyint(value) - 1; });
}

// Karras et al. 2022, eq. 5, with rho = 7.
Numbers karras(double low, double high, int count) {
    constexpr double rho = 7;
    const double from = std::pow(high, 1 / rho), to = std::pow(low, 1 / rho);
    return mapped(linspace(0, 1, count), [=](double ramp) { return std::pow(from + ramp * (to - from), rho); });
}

// Equal steps of log(sigma), which are equal steps of lambda: Lu et al. 2022 (DPM-Solver).
Numbers exponential(double low, double high, int count) {
    return mapped(linspace(std::log(high), std::log(low), count), [](double x) { return std::exp(x); });
}

// Lee et al. 2024 (Beta Sampling is All You Need), with alpha = beta = 0.6.
Numbers beta(double low, double high, int count) {
    return mapped(linspace(0, 1, count), [=](double x) { return low + beta_quantile(1 - x, 0.6, 0.6) * (high - low); });
}

UsageError same_timestep(const GridRequest& request) {
    return refusal(std::to_string(request.steps) + " steps of " + repr(request.spacing) +
                       " spacing, of which some visit the same timestep",
                   "a timestep for each step", "Ask for fewer steps, or another spacing.");
}

void check_falling(const Numbers& t, const GridRequest& request) {
    if (std::ranges::adjacent_find(t, std::less_equal<>{}) != t.end()) throw same_timestep(request);
}

// Check that all timesteps exist in the table, and fall.
void check_timesteps(const Numbers& t, const NoiseLevels& levels, const GridRequest& request) {
    const auto [lowest, highest] = std::ranges::minmax(t);
    if (highest >= levels.T() || lowest < 0) {
        throw refusal(std::to_string(request.steps) + " steps of " + repr(request.spacing) + " spacing with offset " +
                          std::to_string(request.offset) + ", which visit timesteps " + general(lowest) + " to " +
                          general(highest),
                      "timesteps from 0 to " + std::to_string(levels.T() - 1),
                      "Ask for fewer steps, or another spacing.");
    }
    check_falling(t, request);
}

Grid with_final_sigma(Numbers timesteps, Numbers sigmas, const NoiseLevels& levels, const GridRequest& request) {
    sigmas.push_back(request.ends_at_sigma_min ? levels.sigmas().front() : 0.0);
    return {std::move(timesteps), std::move(sigmas)};
}

Grid at_whole_timesteps(const NoiseLevels& levels, Numbers t, const GridRequest& request) {
    Numbers sigmas = mapped(t, [&levels](double value) { return levels.sigmas().at(static_cast<std::size_t>(value)); });
    return with_final_sigma(std::move(t), std::move(sigmas), levels, request);
}

Grid at_sigmas(const NoiseLevels& levels, Numbers sigmas, const GridRequest& request) {
    Numbers t = mapped(sigmas, [&levels](double sigma) { return levels.timestep_of(sigma); });
    const auto whole = std::ranges::find(request.rounding, request.sigmas, &RoundingOf::sigmas);
    if (whole != request.rounding.end()) {
        const bool nearest = whole->rounding == Rounding::nearest;
        t = mapped(std::move(t), [nearest](double x) { return nearest ? std::nearbyint(x) : std::floor(x); });
    }
    return with_final_sigma(std::move(t), std::move(sigmas), levels, request);
}

}  // namespace

Numbers sigmas_of(std::string_view kind, double low, double high, int count) {
    return kind == "karras" ? karras(low, high, count)
           : kind == "beta" ? beta(low, high, count)
                            : exponential(low, high, count);
}

Grid discrete_grid(const NoiseLevels& levels, const GridRequest& request) {
    Numbers t = mapped(spaced(request.spacing, levels.T(), request.steps, request.offset),
                       [](double value) { return std::nearbyint(value); });
    check_timesteps(t, levels, request);
    return at_whole_timesteps(levels, std::move(t), request);
}

Grid continuous_grid(const NoiseLevels& levels, const GridRequest& request) {
    // float32, because the model's embedding of a fractional timestep shows that rounding.
    Numbers t = float32_values(spaced(request.spacing, levels.T(), request.steps, request.offset));
    check_falling(t, request);
    if (request.sigmas.empty()) {
        Numbers sigmas = mapped(t, [&levels](double value) { return levels.sigma_at(value); });
        return with_final_sigma(std::move(t), std::move(sigmas), levels, request);
    }
    const double high = levels.sigma_at(t.front()), low = levels.sigma_at(t.back());
    return at_sigmas(levels, sigmas_of(request.sigmas, low, high, request.steps), request);
}

Grid interior_grid(const NoiseLevels& levels, const GridRequest& request) {
    const int N = request.steps;
    if (!request.sigmas.empty()) {
        const Numbers& table = levels.sigmas();
        return at_sigmas(levels, sigmas_of(request.sigmas, table.front(), table.back(), N), request);
    }
    const int offset = request.spacing == "leading" ? request.offset : 0;
    Numbers t = spaced(request.spacing, levels.T(), request.spacing == "trailing" ? N : N + 1, 0);
    t.resize(static_cast<std::size_t>(N));
    t = mapped(std::move(t), [offset](double value) { return std::nearbyint(value) + offset; });
    check_timesteps(t, levels, request);
    return at_whole_timesteps(levels, std::move(t), request);
}

Grid distilled_grid(const NoiseLevels& levels, const GridRequest& request) {
    const int T = levels.T(), original = request.original_steps;
    if (request.steps > original || original > T) {
        throw refusal(std::to_string(request.steps) + " steps of a model distilled on " + std::to_string(original) +
                          " of " + std::to_string(T) + " timesteps",
                      "1 to " + std::to_string(std::min(original, T)) + " steps",
                      "Ask for fewer steps; 2 to 8 are usual.");
    }
    Numbers t = mapped(linspace(0, original, request.steps, false),
                       [=](double chosen) { return (original - std::floor(chosen)) * (T / original) - 1; });
    return at_whole_timesteps(levels, std::move(t), request);
}

}  // namespace latentlink
