#include "quality/gate.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>

#include "vocabulary/texts.h"

namespace latentlink {
namespace {

// These are for the median picture, not for the worst one; engine/quality/gate.py has the reasons.
constexpr double MIN_COSINE = 0.97, MIN_PSNR = 25.0, MIN_SSIM = 0.9;

// Share of the judged pictures by which fewer may show their prompts than of the reference's pictures: 2 points.
constexpr double MAX_LOSS = 0.02;

// dB of the worst picture from which the difference counts as invisible: what half-precision engines need.
constexpr double LOSSLESS_PSNR = 35.0;

// Python's `min`, which keeps the first of numbers that cannot be compared.
double least(const std::vector<double>& numbers) {
    double found = numbers.front();
    for (const double number : numbers) found = number < found ? number : found;
    return found;
}

// A number that is written as one: text that says "nan" would pass every gate.
std::optional<double> finite(const Json* value) {
    if (value == nullptr || !(value->is_number() || value->is_boolean())) return std::nullopt;
    const double number = value->is_boolean() ? value->get<bool>() : value->get<double>();
    return std::isfinite(number) ? std::optional(number) : std::nullopt;
}

// The whole part, or the nearest number that there is.
std::int64_t whole_part(double number) {
    constexpr double LIMIT = 0x1p62;
    return static_cast<std::int64_t>(std::clamp(number, -LIMIT, LIMIT));
}

// Numbers with spaces between them; none if one is no finite number. No text at all is a number that passes nothing.
std::optional<std::vector<double>> read_cosines(const Json& value) {
    const std::string text = value.is_string() ? value.get<std::string>() : repr(value);
    std::vector<double> cosines;
    for (std::size_t at = text.find_first_not_of(' '); at != std::string::npos;) {
        const std::size_t end = std::min(text.find(' ', at), text.size());
        if (text[at] == '+') ++at;
        double number = 0;
        const auto read = std::from_chars(text.data() + at, text.data() + end, number);
        if (read.ec != std::errc() || read.ptr != text.data() + end || !std::isfinite(number)) return std::nullopt;
        cosines.push_back(number);
        at = text.find_first_not_of(' ', end);
    }
    if (cosines.empty()) cosines.push_back(std::numeric_limits<double>::quiet_NaN());
    return cosines;
}

// The gate's figures in a record, and whether all that were asked for were there.
class Figures {
  public:
    explicit Figures(const Json& parity) : parity_(parity) {}

    const Json* find(std::string_view name) const {
        const auto found = parity_.find(std::string(GATE_PREFIX).append(name));
        return found == parity_.end() ? nullptr : &*found;
    }

    double number(std::string_view name) { return take(finite(find(name))); }

    std::int64_t count(std::string_view name) { return whole_part(number(name)); }

    // 0 if it is not there.
    std::int64_t judgement(std::string_view name) { return find(name) == nullptr ? 0 : count(name); }

    template <typename Value>
    Value take(const std::optional<Value>& value) {
        complete = complete && value.has_value();
        return value.value_or(Value{});
    }

    bool complete = true;

  private:
    const Json& parity_;
};

}  // namespace

std::vector<Shortfall> Quality::shortfalls() const {
    std::vector<Shortfall> found;
    if (!std::ranges::all_of(cosines, [](double cosine) { return cosine >= MIN_COSINE; })) {
        found.push_back({.code = "latent-cosine", .found = least(cosines), .needed = MIN_COSINE});
    }
    if (!(psnr >= MIN_PSNR)) found.push_back({.code = "psnr", .found = psnr, .needed = MIN_PSNR});
    if (!(ssim >= MIN_SSIM)) found.push_back({.code = "ssim", .found = ssim, .needed = MIN_SSIM});
    const double needed = static_cast<double>(reference_right) - MAX_LOSS * static_cast<double>(judged);
    if (static_cast<double>(right) < needed) {
        found.push_back({.code = "prompts",
                         .found = static_cast<double>(right),
                         .needed = needed,
                         .count = judged,
                         .reference = reference_right,
                         .tolerance = MAX_LOSS});
    }
    return found;
}

std::string Quality::shortfall_summary() const { return latentlink::summary(shortfalls()); }

bool Quality::visually_lossless() const { return passes() && least_psnr >= LOSSLESS_PSNR; }

std::string Quality::summary() const {
    char text[2048];  // five numbers of at most 309 digits
    std::snprintf(text, sizeof text, "latent cosine %.4f, PSNR %.1f dB (worst %.1f), SSIM %.3f (worst %.3f)",
                  least(cosines), psnr, least_psnr, ssim, least_ssim);
    std::string line = std::string(text) + " over " + std::to_string(pictures) + " pictures";
    if (judged != 0) {
        line += "; " + std::to_string(right) + " of " + std::to_string(judged) + " show their prompts (reference " +
                std::to_string(reference_right) + ")";
    }
    return line;
}

std::optional<Quality> Quality::of_parity(const Json& parity) {
    if (!parity.is_object()) return std::nullopt;
    Figures figures(parity);
    const Json* cosines = figures.find("cosines");
    if (cosines == nullptr) return std::nullopt;
    Quality quality{.pictures = figures.count("pictures"),
                    .cosines = figures.take(read_cosines(*cosines)),
                    .psnr = figures.number("psnr"),
                    .least_psnr = figures.number("least_psnr"),
                    .ssim = figures.number("ssim"),
                    .least_ssim = figures.number("least_ssim"),
                    .judged = figures.judgement("judged"),
                    .right = figures.judgement("right"),
                    .reference_right = figures.judgement("reference_right")};
    return figures.complete ? std::optional(std::move(quality)) : std::nullopt;
}

}  // namespace latentlink
