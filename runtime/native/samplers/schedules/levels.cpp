#include "samplers/schedules/levels.h"

#include <algorithm>
#include <cmath>

namespace latentlink {

NoiseLevels::NoiseLevels(Numbers alpha_bar) : alpha_bar_(std::move(alpha_bar)) {
    for (const double value : alpha_bar_) {
        sigmas_.push_back(float32_value(std::sqrt(float32_value(float32_value(1 - value) / value))));
        logs_.push_back(static_cast<float>(std::log(sigmas_.back())));
    }
}

double NoiseLevels::sigma_at(double t) const {
    if (t <= 0) return sigmas_.front();
    if (t >= T() - 1) return sigmas_.back();
    const auto low = static_cast<std::size_t>(t);
    const double fraction = t - static_cast<double>(low);
    return fraction == 0 ? sigmas_[low] : (sigmas_[low + 1] - sigmas_[low]) * fraction + sigmas_[low];
}

double NoiseLevels::timestep_of(double sigma) const {
    const double wanted = std::log(std::max(sigma, 1e-10));
    const auto above = std::upper_bound(logs_.begin(), logs_.end(), wanted) - logs_.begin();
    const int low = std::clamp(static_cast<int>(above) - 1, 0, T() - 2);
    const float here = logs_[static_cast<std::size_t>(low)], next = logs_[static_cast<std::size_t>(low) + 1];
    const float step = here - next;
    const double weight = std::clamp((static_cast<double>(here) - wanted) / static_cast<double>(step), 0.0, 1.0);
    return (1 - weight) * low + weight * (low + 1);
}

}  // namespace latentlink
