#include "quality/agreement.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace latentlink {
namespace {

constexpr double INFINITE = std::numeric_limits<double>::infinity();

// An 8-bit picture may differ by rounding alone: one level is 1/255.
constexpr double LEVEL = 1.0 / 255;

// float16 tensors between engines may differ by rounding too: one unit in the last place of 11 bits, in a few elements.
constexpr double UNIT = 0x1p-10, UNIT_PSNR = 60.0;

constexpr double LEAST_PEAK = 1e-12;

// engine/quality/agreement.py has the reasons.
constexpr std::array<std::pair<std::string_view, Threshold>, 6> THRESHOLDS = {{
    {"float32", {.worst = 1e-4, .psnr = 80.0, .picture_psnr = 55.0}},
    {"float16", {.worst = 3e-2, .psnr = 45.0, .picture_psnr = 40.0}},
    {"bfloat16", {.worst = 2e-1, .psnr = 28.0, .picture_psnr = 28.0}},
    {"int8", {.worst = 5e-1, .psnr = 18.0, .picture_psnr = 18.0}},
    {"int8+bfloat16", {.worst = 5e-1, .psnr = 18.0, .picture_psnr = 18.0}},
    {"float8", {.worst = 5e-1, .psnr = 18.0, .picture_psnr = 18.0}},
}};

// For float32 engines whose reference ONNX Runtime computed, in float32 at the engine's own size.
constexpr Threshold ONNX_REFERENCE = {.worst = 1e-3, .psnr = 70.0, .picture_psnr = 55.0};

// The larger, or NaN if one is.
double larger(double a, double b) { return std::isnan(a) || a > b ? a : b; }
double smaller(double a, double b) { return std::isnan(a) || a < b ? a : b; }

double number_of(float number) { return number; }
double number_of(Half number) { return to_float(number); }
double number_of(Brain number) { return to_float(number); }
double number_of(std::uint8_t number) { return number; }
double number_of(std::int32_t number) { return number; }
double number_of(std::int64_t number) { return static_cast<double>(number); }

template <typename Number>
std::vector<double> converted(const Array& array) {
    std::vector<double> numbers;
    numbers.reserve(array.count());
    for (const Number number : array.as<Number>()) numbers.push_back(number_of(number));
    return numbers;
}

std::vector<double> numbers_of(const Array& array) {
    switch (array.dtype()) {
        case DType::float32: return converted<float>(array);
        case DType::float16: return converted<Half>(array);
        case DType::bfloat16: return converted<Brain>(array);
        case DType::uint8: return converted<std::uint8_t>(array);
        case DType::int32: return converted<std::int32_t>(array);
        case DType::int64: return converted<std::int64_t>(array);
    }
    throw std::invalid_argument("no dtype");
}

// The sum of a term for every place, in parts, so that its error does not grow with the number of terms.
template <typename Term>
double sum_of(std::size_t count, Term term) {
    constexpr std::size_t PART = 1024;
    double sum = 0;
    for (std::size_t at = 0; at < count; at += PART) {
        double part = 0;
        for (std::size_t i = at; i < std::min(at + PART, count); ++i) part += term(i);
        sum += part;
    }
    return sum;
}

double cosine_of(const std::vector<double>& a, const std::vector<double>& b) {
    const auto product = [](const std::vector<double>& x, const std::vector<double>& y) {
        return sum_of(x.size(), [&](std::size_t i) { return x[i] * y[i]; });
    };
    const double lengths = std::sqrt(product(a, a)) * std::sqrt(product(b, b));
    return lengths != 0 ? product(a, b) / lengths : (a == b ? 1.0 : 0.0);
}

struct Difference {
    double largest = 0, mean_square = 0, peak = 0;
};

Difference difference_of(const std::vector<double>& output, const std::vector<double>& reference) {
    Difference found;
    for (std::size_t i = 0; i < output.size(); ++i) {
        found.largest = larger(found.largest, std::abs(output[i] - reference[i]));
        found.peak = larger(found.peak, std::abs(reference[i]));
    }
    const double squares = sum_of(output.size(), [&](std::size_t i) {
        const double apart = output[i] - reference[i];
        return apart * apart;
    });
    found.mean_square = squares / static_cast<double>(output.size());
    return found;
}

}  // namespace

const Threshold& threshold_of(std::string_view precision, bool onnx) {
    if (onnx && precision == "float32") return ONNX_REFERENCE;
    const auto named = [](std::string_view name) {
        return std::ranges::find(THRESHOLDS, name, &std::pair<std::string_view, Threshold>::first);
    };
    const auto found = named(precision);
    return found == THRESHOLDS.end() ? named("bfloat16")->second : found->second;
}

std::vector<Shortfall> Agreement::shortfalls() const {
    std::vector<Shortfall> found;
    if (!(psnr >= needed_psnr)) found.push_back({.code = "psnr", .found = psnr, .needed = needed_psnr});
    if (!(worst <= needed_worst)) found.push_back({.code = "worst", .found = worst, .needed = needed_worst});
    return found;
}

std::string Agreement::summary() const { return latentlink::summary(shortfalls()); }

Json Agreement::to_json(std::string_view reference) const {
    Json record = {{"reference", reference}, {"max_abs", max_abs}, {"relative", worst}, {"tolerance", needed_worst}};
    if (std::isfinite(cosine)) record["cosine"] = cosine;
    if (std::isfinite(psnr)) record["psnr"] = psnr;
    return record;
}

Agreement measure_agreement(std::span<const std::pair<Array, Array>> pairs, std::string_view precision, bool onnx,
                            const std::optional<Threshold>& threshold) {
    const Threshold needed = threshold ? *threshold : threshold_of(precision, onnx);
    Agreement found{.psnr = INFINITE, .needed_psnr = needed.psnr, .needed_worst = needed.worst};
    for (const auto& [output, reference] : pairs) {
        const std::vector<double> made = numbers_of(output), wanted = numbers_of(reference);
        if (made.size() != wanted.size()) throw std::invalid_argument("an output has another shape than its reference");
        const Difference difference = difference_of(made, wanted);
        double peak = LEAST_PEAK > difference.peak ? LEAST_PEAK : difference.peak;
        if (reference.dtype() == DType::uint8) {
            found.needed_psnr = needed.picture_psnr;
            found.needed_worst = std::max(needed.worst, LEVEL);
            peak = 255;
        } else if (reference.dtype() == DType::float16) {
            found.needed_psnr = std::min(found.needed_psnr, UNIT_PSNR);
            found.needed_worst = std::max(found.needed_worst, UNIT);
        }
        found.max_abs = larger(found.max_abs, difference.largest);
        found.worst = larger(found.worst, difference.largest / peak);
        found.psnr = smaller(found.psnr, decibel(peak * peak, difference.mean_square));
        found.cosine = smaller(found.cosine, cosine_of(made, wanted));
    }
    return found;
}

double decibel(double power, double error) {
    if (error == 0) return INFINITE;
    if (power > 0 && std::isfinite(error)) return 10 * std::log10(power / error);
    return error > 0 ? -INFINITE : std::numeric_limits<double>::quiet_NaN();
}

double psnr(const Array& reference, const Array& other) {
    const auto a = reference.as<std::uint8_t>(), b = other.as<std::uint8_t>();
    if (a.size() != b.size()) throw std::invalid_argument("pictures of two sizes are not compared");
    const double squares = sum_of(a.size(), [&](std::size_t i) {
        const double apart = static_cast<double>(a[i]) - b[i];
        return apart * apart;
    });
    return squares == 0 ? INFINITE : 10 * std::log10(255.0 * 255.0 / (squares / static_cast<double>(a.size())));
}

}  // namespace latentlink
