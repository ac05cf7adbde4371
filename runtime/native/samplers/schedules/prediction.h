// What a denoiser predicts, in one place: every sampler sees x0, or the noise, as `p*x + q*m`.
//
// The model m was trained on `x = alpha*x0 + sigma*eps` and predicts
//
//     epsilon          eps                          (Ho et al. 2020)
//     v_prediction     v = alpha*eps - sigma*x0     (Salimans and Ho 2022, appendix D)
//     sample           x0
//     flow_prediction  eps - x0                     (Lipman et al. 2023, Liu et al. 2023)
//
// with `alpha**2 + sigma**2 = 1`, or `alpha + sigma = 1` where it predicts the flow.
#pragma once

#include <array>
#include <string_view>

namespace latentlink {

enum class Prediction { epsilon, v_prediction, sample, flow };

inline constexpr std::string_view FLOW = "flow_prediction";

// Names of predictions of models that were trained with a noise schedule.
inline constexpr std::array<std::string_view, 3> PREDICTIONS = {"epsilon", "v_prediction", "sample"};

std::string_view name_of(Prediction prediction);

// The prediction of a name, which is a member of PREDICTIONS or FLOW.
Prediction prediction_named(std::string_view name);

struct Coefficients {
    double p, q;
};

Coefficients x0_coefficients(Prediction prediction, double alpha, double sigma);
Coefficients epsilon_coefficients(Prediction prediction, double alpha, double sigma);

// The scale of the picture and of the noise in a latent: x is `signal*z + noise*eps` for a picture z.
struct Level {
    double signal, noise;
};

// (alpha, sigma) whose quotient sigma/alpha is `ratio`, the sigma of Karras et al. 2022.
Level alpha_sigma(Prediction prediction, double ratio);

struct Derivative {
    double c_in, p, q;
};

// What makes D = dx/dsigma of the unscaled `x = x0 + ratio*eps`, which is eps. Karras et al. 2022, eq. 1 and 3:
// dx/dsigma = (x - D(x; sigma)) / sigma. The model reads c_in*x.
Derivative derivative(Prediction prediction, double ratio);

}  // namespace latentlink
