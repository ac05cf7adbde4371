#include "samplers/schedules/flow_spacing.h"

#include <algorithm>
#include <cmath>

namespace latentlink {

namespace {

// Solvers in log-SNR cannot start from a signal of 0; diffusers' distance from it.
constexpr double LEAST_SIGNAL = 1e-6;

Grid ratios(const Numbers& sigma, const FlowGridRequest& request) {
    Grid grid;
    for (const double value : sigma) {
        const double rounded = float32_value(value);  // near pure noise that rounding is 1e-2 of the signal
        grid.timesteps.push_back(std::floor(value * request.T));
        grid.sigmas.push_back(rounded / (1 - rounded));
    }
    grid.sigmas.push_back(0);
    return grid;
}

// Signal scaled so that the last level is `terminal` (Lightricks 2024, LTX-Video); a lone 1 stays as it is.
Numbers to_terminal(Numbers sigma, std::optional<double> terminal) {
    const double last = sigma.back();
    if (!terminal || last == 1) return sigma;
    const double scale = (1 - last) / (1 - *terminal);
    return mapped(std::move(sigma), [scale](double value) { return 1 - (1 - value) / scale; });
}

Numbers shifted(const FlowGridRequest& request, Numbers sigma) {
    return mapped(std::move(sigma), [&request](double value) { return request.shifted(value); });
}

}  // namespace

double FlowGridRequest::shifted(double sigma) const {
    return dynamic ? shift / (shift + (1 / sigma - 1)) : static_shift(sigma, shift);
}

double static_shift(double sigma, double shift) { return shift * sigma / (1 + (shift - 1) * sigma); }

Grid share_grid(const FlowGridRequest& request) {
    const int N = request.steps, T = request.T;
    const double lowest = request.uniform ? 1.0 / N : request.dynamic ? 1.0 / T : static_shift(1.0 / T, request.shift);
    Numbers sigma = to_terminal(shifted(request, linspace(1, lowest, N)), request.terminal);
    if (!request.sigmas.empty()) sigma = sigmas_of(request.sigmas, sigma.back(), sigma.front(), N);
    sigma = float32_values(std::move(sigma));
    Numbers timesteps = mapped(sigma, [T](double value) { return float32_value(value * T); });
    sigma.push_back(0);
    return {std::move(timesteps), std::move(sigma)};
}

Grid dpmpp_grid(const FlowGridRequest& request) {
    Numbers sigma = linspace(1, 1.0 / request.T, request.steps + 1);
    sigma = reversed(mapped(std::move(sigma), [&](double signal) { return static_shift(1 - signal, request.shift); }));
    sigma.pop_back();
    return ratios(sigma, request);
}

Grid unipc_grid(const FlowGridRequest& request) {
    Numbers sigma = linspace(1, 1.0 / request.T, request.steps + 1);
    sigma.pop_back();
    sigma = to_terminal(shifted(request, std::move(sigma)), request.terminal);
    return ratios(mapped(std::move(sigma), [](double value) { return std::min(value, 1 - LEAST_SIGNAL); }), request);
}

}  // namespace latentlink
