// Quantiles of the beta distribution, for the beta schedule of noise levels.
#pragma once

namespace latentlink {

// x in [0, 1] with I_x(a, b) = probability, exactly 0 at 0 and 1 at 1; relative error below 1e-12.
// The probability is in [0, 1], the shape parameters a and b are positive.
double beta_quantile(double probability, double a, double b);

}  // namespace latentlink
