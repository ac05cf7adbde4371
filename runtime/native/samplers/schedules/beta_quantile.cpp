#include "samplers/schedules/beta_quantile.h"

#include <algorithm>
#include <cmath>

namespace latentlink {

namespace {

// The series below is used up to x = 1/2 only, where a term is less than half of the one before.
constexpr int TERMS = 60;
constexpr int NEWTON_STEPS = 30;

double scale_of(double a, double b) { return std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b)); }

// I_x(a, b): NIST Handbook of Mathematical Functions, 8.17.7 with 15.2.1.
double lower_part(double x, double a, double b) {
    double factor = 1, sum = 0;  // the factor is (1-b)_n / n!
    for (int n = 0; n < TERMS; ++n) {
        if (n > 0) factor *= (n - b) / n;
        sum += factor / (a + n) * std::pow(x, n);
    }
    return std::pow(x, a) * (scale_of(a, b) * sum);
}

// Newton's method on y = x**a, in which I is almost a straight line; x stays within [0, 1/2].
double inverted(double p, double a, double b) {
    const double scale = scale_of(a, b), highest = std::pow(0.5, a);
    double y = std::min(p * a / scale, highest);
    for (int i = 0; i < NEWTON_STEPS; ++i) {
        const double x = std::pow(y, 1 / a);
        const double slope = scale / a * std::pow(1 - x, b - 1);  // dI/dy
        y = std::clamp(y - (lower_part(x, a, b) - p) / slope, 0.0, highest);
    }
    return std::pow(y, 1 / a);
}

}  // namespace

double beta_quantile(double probability, double a, double b) {
    const double middle = lower_part(0.5, a, b);
    return probability <= middle ? inverted(probability, a, b) : 1 - inverted(1 - probability, b, a);
}

}  // namespace latentlink
