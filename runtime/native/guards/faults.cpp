#include "guards/faults.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <stdexcept>

#include "guards/statistics.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

// Factor by which a generated channel's deviation may fall below the least measured one; a dead channel has 0.
constexpr double DEAD = 10.0;

// Deviation of a picture, in 8-bit levels, below which it is flat: less than rounding. Pictures of one colour have 1.1
// and more after a VAE's encoder and decoder.
constexpr double FLAT = 0.5;

// Roughness above which a picture of independent colours is noise: 1 is white noise, drawings have 0.01 to 0.2. Even a
// picture of white noise has less than 0.2 after a VAE's encoder and decoder.
constexpr double NOISE = 0.5;

// Agreement of colours below which they are independent: noise has 0.03 and less. Small photographs of gravel, grass or
// stars are as rough as noise, but light and shade change all their colours together: they have 0.9 and more.
constexpr double INDEPENDENT = 0.5;

// Deviation, in 8-bit levels, from which roughness is checked. Below it, roughness comes from rounding.
constexpr double LEAST_NOISE = 2.0;

// Border in pixels that the search for a channel of one value ignores: a broken weight of the last convolution may not
// affect the border, where it meets padding.
constexpr std::int64_t EDGE = 2;

constexpr std::size_t COLOURS = 3;
constexpr std::array<std::string_view, COLOURS> COLOUR_NAMES = {"red", "green", "blue"};

constexpr std::string_view CAUSE_NAN =
    "Likely cause: numbers overflowed in half precision, or weights of this engine are damaged.";
constexpr std::string_view REMEDY_NAN = "Build this component in a wider precision, or get the bundle again.";

// A number with so many digits after the point.
std::string fixed(double value, int digits) {
    std::array<char, 64> text;
    std::snprintf(text.data(), text.size(), "%.*f", digits, value);
    return text.data();
}

// Calls `visit` with a function from place to number, for whichever floating type the array has.
template <typename Visit>
auto with_numbers(const Array& array, const Visit& visit) {
    switch (array.dtype()) {
        case DType::float32: return visit([numbers = array.as<float>()](std::size_t i) -> float { return numbers[i]; });
        case DType::float16:
            return visit([numbers = array.as<Half>()](std::size_t i) -> float { return to_float(numbers[i]); });
        case DType::bfloat16:
            return visit([numbers = array.as<Brain>()](std::size_t i) -> float { return to_float(numbers[i]); });
        default: throw std::invalid_argument("only floating types have this fault");
    }
}

// The pixels of a picture, `[H, W, 3]`.
struct Pixels {
    explicit Pixels(const Array& picture) : values(picture.as<std::uint8_t>()) {
        if (picture.shape().size() != 3 || picture.size(2) != COLOURS || picture.count() == 0) {
            throw std::invalid_argument("a picture is uint8 [H, W, 3]");
        }
        height = picture.size(0);
        width = picture.size(1);
    }

    int at(std::int64_t y, std::int64_t x, std::size_t colour) const {
        return values[static_cast<std::size_t>(y * width + x) * COLOURS + colour];
    }

    std::span<const std::uint8_t> values;
    std::int64_t height, width;
};

// Mean and covariance of the colours, from sums that are exact.
struct Colours {
    explicit Colours(const Pixels& pixels) {
        std::array<std::uint64_t, COLOURS> total = {};
        std::array<std::array<std::uint64_t, COLOURS>, COLOURS> products = {};
        for (std::size_t i = 0; i < pixels.values.size(); i += COLOURS) {
            for (std::size_t a = 0; a < COLOURS; ++a) {
                const std::uint32_t value = pixels.values[i + a];
                total[a] += value;
                for (std::size_t b = 0; b < COLOURS; ++b) products[a][b] += value * pixels.values[i + b];
            }
        }
        const auto count = static_cast<double>(pixels.height * pixels.width);
        for (std::size_t a = 0; a < COLOURS; ++a) mean[a] = static_cast<double>(total[a]) / count;
        for (std::size_t a = 0; a < COLOURS; ++a) {
            for (std::size_t b = 0; b < COLOURS; ++b) {
                covariance[a][b] = static_cast<double>(products[a][b]) / count - mean[a] * mean[b];
            }
            deviation[a] = std::sqrt(std::max(covariance[a][a], 0.0));
        }
    }

    double variance() const { return (covariance[0][0] + covariance[1][1] + covariance[2][2]) / COLOURS; }
    double largest_deviation() const { return *std::ranges::max_element(deviation); }

    std::array<double, COLOURS> mean, deviation;
    std::array<std::array<double, COLOURS>, COLOURS> covariance;
};

double roughness_of(const Pixels& pixels, const Colours& colours) {
    std::uint64_t down = 0, across = 0;
    const auto square = [](int difference) { return static_cast<std::uint64_t>(difference * difference); };
    for (std::int64_t y = 0; y < pixels.height; ++y) {
        for (std::int64_t x = 0; x < pixels.width; ++x) {
            for (std::size_t colour = 0; colour < COLOURS; ++colour) {
                const int here = pixels.at(y, x, colour);
                if (y > 0) down += square(here - pixels.at(y - 1, x, colour));
                if (x > 0) across += square(here - pixels.at(y, x - 1, colour));
            }
        }
    }
    const auto mean = [](std::uint64_t sum, std::int64_t rows, std::int64_t columns) {
        return static_cast<double>(sum) / static_cast<double>(rows * columns * std::int64_t{COLOURS});
    };
    const double steps = mean(down, pixels.height - 1, pixels.width) + mean(across, pixels.height, pixels.width - 1);
    return steps / 2 / (2 * colours.variance());
}

double agreement_of(const Colours& colours) {
    double sum = 0;
    int pairs = 0;
    const auto& deviation = colours.deviation;
    for (std::size_t a = 0; a < COLOURS; ++a) {
        for (std::size_t b = a + 1; b < COLOURS; ++b) {
            if (deviation[a] < LEAST_NOISE || deviation[b] < LEAST_NOISE) continue;
            sum += std::abs(colours.covariance[a][b]) / (deviation[a] * deviation[b]);
            ++pairs;
        }
    }
    return pairs == 0 ? 1.0 : sum / pairs;
}

// The value that a channel has everywhere, away from the border of a larger picture; none if its values differ.
std::optional<int> only_value(const Pixels& pixels, std::size_t colour) {
    const std::int64_t edge = std::min(pixels.height, pixels.width) > 2 * EDGE ? EDGE : 0;
    const int first = pixels.at(edge, edge, colour);
    for (std::int64_t y = edge; y < pixels.height - edge; ++y) {
        for (std::int64_t x = edge; x < pixels.width - edge; ++x) {
            if (pixels.at(y, x, colour) != first) return std::nullopt;
        }
    }
    return first;
}

Fault not_computed(std::string found, std::vector<std::pair<std::string, double>> numbers) {
    return {std::move(found), std::string(CAUSE_NAN), std::string(REMEDY_NAN), std::move(numbers)};
}

std::string look(const Colours& colours) {
    if (*std::ranges::max_element(colours.mean) < 1) return "black";
    std::string listed;
    for (const double one : colours.mean) listed += (listed.empty() ? "" : ", ") + fixed(one, 0);
    return "flat, all of colour (" + listed + ")";
}

Fault outside(const std::string& what, double value, double low, double high) {
    return {
        .found = "has " + what + " of " + general(value, 3) + "; expected " + general(low, 3) + " to " +
                 general(high, 3) + ", from real generations of this model",
        .cause = "Likely cause: damaged weights, or a wrong scaling factor or noise level.",
        .remedy = "Compare the engines with their reference: latentlink verify BUNDLE.",
        .numbers = {{"value", value}, {"low", low}, {"high", high}},
    };
}

// What two measured ranges allow together.
Interval both(const Interval& one, const Interval& other) {
    return {std::min(one.first, other.first), std::max(one.second, other.second)};
}

// The ranges of the nearest levels on both sides, the same one twice if there is no other.
std::optional<std::pair<const LatentRange*, const LatentRange*>> near(std::span<const LatentRange> ranges,
                                                                      Level level) {
    const double size = std::hypot(level.signal, level.noise);
    if (ranges.empty() || size == 0) return std::nullopt;
    const double share = level.noise / size;
    const LatentRange *below = nullptr, *above = nullptr;
    for (const LatentRange& one : ranges) {
        if (one.level <= share) below = &one;
        if (one.level >= share && above == nullptr) above = &one;
    }
    if (below == nullptr && above == nullptr) return std::nullopt;  // the level is not a number
    return std::pair{below == nullptr ? above : below, above == nullptr ? below : above};
}

}  // namespace

Margin generated_margin(int steps, int usual) { return steps >= std::min(usual, FEW) ? GENERATED : HURRIED; }

std::optional<Fault> finite_fault(const Array& array) {
    const std::size_t count = array.count();
    const std::size_t bad = with_numbers(array, [count](const auto& number) {
        std::size_t found = 0;
        for (std::size_t i = 0; i < count; ++i) found += std::isfinite(number(i)) ? 0 : 1;
        return found;
    });
    if (bad == 0) return std::nullopt;
    return not_computed("holds " + std::to_string(bad) + " of " + std::to_string(count) +
                            " values that are not finite; expected numbers",
                        {{std::string(NOT_FINITE), static_cast<double>(bad)}, {"values", static_cast<double>(count)}});
}

std::optional<Fault> range_fault(const Array& latent, std::span<const LatentRange> ranges, Level level,
                                 const Margin& margin, bool generated) {
    const auto found = near(ranges, level);
    if (!found) return std::nullopt;
    const LatentRange *below = found->first, *above = found->second;
    const double scale = std::hypot(level.signal, level.noise);
    const std::size_t count = latent.count(), channels = static_cast<std::size_t>(latent.size(0));
    return with_numbers(latent, [&](const auto& number) -> std::optional<Fault> {
        const auto value = [&](std::size_t i) { return static_cast<double>(number(i)) / scale; };
        const auto mean = [](const auto& of, std::size_t begin, std::size_t end) {
            return pairwise_sum(of, begin, end) / static_cast<double>(end - begin);
        };
        const double rms = std::sqrt(mean([&](std::size_t i) { return value(i) * value(i); }, 0, count));
        const auto [least, most] = both(below->rms, above->rms);
        double low = least / margin.low, high = most * margin.high;
        if (!(low <= rms && rms <= high)) return outside("a root mean square", rms, low, high);
        for (std::size_t channel = 0; channel < channels; ++channel) {
            const std::size_t begin = channel * (count / channels), end = begin + count / channels;
            const double average = mean(value, begin, end);
            const auto away = [&](std::size_t i) { return (value(i) - average) * (value(i) - average); };
            const double deviation = std::sqrt(mean(away, begin, end));

            const auto means = both(below->mean.at(channel), above->mean.at(channel));
            const double slack = (margin.channel - 1) * std::max(std::abs(means.first), std::abs(means.second));
            low = means.first - slack, high = means.second + slack;
            const std::string name = " in channel " + std::to_string(channel);
            if (!(low <= average && average <= high)) return outside("a mean" + name, average, low, high);

            const auto deviations = both(below->std.at(channel), above->std.at(channel));
            low = generated ? deviations.first / DEAD : 0.0, high = deviations.second * margin.channel;
            if (!(low <= deviation && deviation <= high)) return outside("a deviation" + name, deviation, low, high);
        }
        return std::nullopt;
    });
}

std::optional<Fault> picture_fault(const Array& picture, bool clean) {
    const Pixels pixels(picture);
    const Colours colours(pixels);
    const double deviation = colours.largest_deviation();
    if (deviation < FLAT) {
        return not_computed("is " + look(colours) + ": its deviation is " + general(deviation, 2) +
                                " of 255 levels; expected at least " + repr(FLAT),
                            {{"deviation", deviation}, {"least", FLAT}});
    }
    for (std::size_t colour = 0; colour < COLOURS; ++colour) {
        if (const auto value = only_value(pixels, colour)) {
            const std::string name(COLOUR_NAMES[colour]);
            return not_computed(
                "has " + name + " " + std::to_string(*value) + " everywhere; expected colours that differ",
                {{name, *value}});
        }
    }
    if (!clean || deviation < LEAST_NOISE) return std::nullopt;
    const double rough = roughness_of(pixels, colours);
    if (rough <= NOISE) return std::nullopt;
    const double together = agreement_of(colours);
    if (together >= INDEPENDENT) return std::nullopt;
    return Fault{
        .found = "is noise: its roughness is " + fixed(rough, 2) + ", where white noise has 1; expected at most " +
                 repr(NOISE) + ", or colours that change together",
        .cause = "Likely cause: the decoder's weights are damaged or not trained, or belong to another latent space.",
        .remedy = "Get the bundle again.",
        .numbers = {{"roughness", rough}, {"most", NOISE}, {"agreement", together}, {"least", INDEPENDENT}},
    };
}

double roughness(const Array& picture) {
    const Pixels pixels(picture);
    return roughness_of(pixels, Colours(pixels));
}

double agreement(const Array& picture) { return agreement_of(Colours(Pixels(picture))); }

}  // namespace latentlink
