#include "samplers/schedules/prediction.h"

#include <cmath>
#include <stdexcept>

namespace latentlink {

std::string_view name_of(Prediction prediction) {
    return prediction == Prediction::flow ? FLOW : PREDICTIONS.at(static_cast<std::size_t>(prediction));
}

Prediction prediction_named(std::string_view name) {
    for (const auto one : {Prediction::epsilon, Prediction::v_prediction, Prediction::sample, Prediction::flow}) {
        if (name_of(one) == name) return one;
    }
    throw std::invalid_argument("Received a prediction that no schedule has.");
}

Coefficients x0_coefficients(Prediction prediction, double alpha, double sigma) {
    switch (prediction) {
        case Prediction::epsilon: return {1 / alpha, -sigma / alpha};
        case Prediction::v_prediction: return {alpha, -sigma};
        case Prediction::sample: return {0, 1};
        case Prediction::flow: break;
    }
    return {1, -sigma};
}

Coefficients epsilon_coefficients(Prediction prediction, double alpha, double sigma) {
    switch (prediction) {
        case Prediction::epsilon: return {0, 1};
        case Prediction::v_prediction: return {sigma, alpha};
        case Prediction::sample: return {1 / sigma, -alpha / sigma};
        case Prediction::flow: break;
    }
    return {1, alpha};
}

Level alpha_sigma(Prediction prediction, double ratio) {
    const double alpha = prediction == Prediction::flow ? 1 / (1 + ratio) : 1 / std::sqrt(ratio * ratio + 1);
    return {alpha, ratio * alpha};
}

Derivative derivative(Prediction prediction, double ratio) {
    const auto [alpha, sigma] = alpha_sigma(prediction, ratio);
    const auto [p, q] = epsilon_coefficients(prediction, alpha, sigma);
    return {alpha, p * alpha, q};
}

}  // namespace latentlink
