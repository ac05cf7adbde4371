// The clean latent that a denoiser's call predicts, from what the call read and wrote.
#pragma once

#include <array>
#include <vector>

#include "samplers/solvers/table.h"

namespace latentlink {

// u and v of `x0 = u*x + v*D` for every row `[R]`, where x is what the row read. D depends on the sampler: x0, the
// noise, or a derivative; from `D = p*y + q*m` follow the prediction m, and x0. If x is pure noise and the model
// predicts that noise, nothing is known of x0: both are 0.
std::vector<std::array<double, 2>> clean_coefficients(const SamplerTable& table, Prediction prediction);

}  // namespace latentlink
