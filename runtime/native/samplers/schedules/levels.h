// The noise level of every training timestep, and the timestep of a noise level.
#pragma once

#include "samplers/schedules/arrays.h"

namespace latentlink {

// `x_t = sqrt(alpha_bar[t])*x0 + sqrt(1 - alpha_bar[t])*eps`.
class NoiseLevels {
  public:
    // alpha_bar is `[T]`, falling, in [0, 1); 0 only at the last timestep of a zero-terminal-SNR model.
    explicit NoiseLevels(Numbers alpha_bar);

    int T() const { return static_cast<int>(alpha_bar_.size()); }
    const Numbers& alpha_bar() const { return alpha_bar_; }

    // Noise-to-signal ratio `[T]`, rising: the sigma of Karras et al. 2022. Infinite where alpha_bar is 0.
    // Rounded to float32 where diffusers rounds, because `timestep_of` depends on it.
    const Numbers& sigmas() const { return sigmas_; }

    // Sigma at a timestep that need not be whole, interpolated linearly and clamped to the table.
    double sigma_at(double t) const;

    // The timestep, not whole, at which the schedule has this sigma; interpolated linearly in log(sigma). The
    // logarithms of the table are rounded to float32 as in diffusers: where a sampler cuts off the fraction, the last
    // bit of log(sigma) decides whether the first timestep is T-1 or T-2.
    double timestep_of(double sigma) const;

  private:
    Numbers alpha_bar_, sigmas_;
    std::vector<float> logs_;
};

}  // namespace latentlink
