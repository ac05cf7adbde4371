#include "samplers/noise.h"

#include <cmath>
#include <numbers>

#include "vocabulary/errors.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

constexpr std::size_t BLOCK = 16;
constexpr double TWO_PI = 2 * std::numbers::pi;

// Box and Muller 1958: in a block of 16 uniform numbers, number j and number j+8 make a pair. Logarithms, cosines and
// sines are rounded from float64, so that every machine and both runtimes have the same bits.
void box_muller(std::span<float> block) {
    for (std::size_t j = 0; j < BLOCK / 2; ++j) {
        const double share = 1.0F - block[j];
        const float radius = std::sqrt(-2.0F * static_cast<float>(std::log(share)));
        const double angle = static_cast<float>(TWO_PI) * block[j + BLOCK / 2];
        block[j] = radius * static_cast<float>(std::cos(angle));
        block[j + BLOCK / 2] = radius * static_cast<float>(std::sin(angle));
    }
}

}  // namespace

TorchNoise::TorchNoise(std::uint64_t seed) : words_(static_cast<std::uint32_t>(seed)) {}

float TorchNoise::uniform() { return static_cast<float>(word() & 0xFF'FFFF) * 0x1p-24F; }

double TorchNoise::uniform_double() {
    const std::uint64_t high = word(), low = word();
    return static_cast<double>((high << 32 | low) & ((std::uint64_t{1} << 53) - 1)) * 0x1p-53;
}

void TorchNoise::normal(std::span<float> numbers) {
    if (numbers.size() < BLOCK) {
        one_by_one(numbers);
        return;
    }
    for (float& number : numbers) number = uniform();
    const std::size_t whole = numbers.size() - numbers.size() % BLOCK;
    for (std::size_t i = 0; i < whole; i += BLOCK) box_muller(numbers.subspan(i, BLOCK));
    if (whole < numbers.size()) {
        // torch draws the last 16 again, including those that were already drawn.
        const auto last = numbers.last(BLOCK);
        for (float& number : last) number = uniform();
        box_muller(last);
    }
}

void TorchNoise::one_by_one(std::span<float> numbers) {
    for (float& number : numbers) {
        if (spare_) {
            number = static_cast<float>(*spare_);
            spare_.reset();
            continue;
        }
        const double u1 = uniform_double(), u2 = uniform_double();
        const double radius = std::sqrt(-2 * std::log1p(-u2)), angle = TWO_PI * u1;
        number = static_cast<float>(radius * std::cos(angle));
        spare_ = radius * std::sin(angle);
    }
}

PhiloxNoise::PhiloxNoise(std::uint64_t seed) : seed_(seed) {}

void PhiloxNoise::normal(std::span<float> numbers) {
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        const auto words = philox4x32({calls_, 0, static_cast<std::uint32_t>(i), 0}, seed_);
        // Halves of 2**-32 keep the logarithm finite.
        const double u = words[0] * 0x1p-32 + 0x1p-33, angle = (words[1] * 0x1p-32 + 0x1p-33) * TWO_PI;
        numbers[i] = static_cast<float>(std::sqrt(-2 * std::log(u)) * std::sin(angle));
    }
    ++calls_;
}

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::uint64_t key) {
    auto low_key = static_cast<std::uint32_t>(key), high_key = static_cast<std::uint32_t>(key >> 32);
    for (int round = 0; round < 10; ++round) {
        const std::uint64_t product_0 = std::uint64_t{0xD251'1F53} * counter[0];
        const std::uint64_t product_1 = std::uint64_t{0xCD9E'8D57} * counter[2];
        counter = {
            static_cast<std::uint32_t>(product_1 >> 32) ^ counter[1] ^ low_key, static_cast<std::uint32_t>(product_1),
            static_cast<std::uint32_t>(product_0 >> 32) ^ counter[3] ^ high_key, static_cast<std::uint32_t>(product_0)};
        low_key += 0x9E37'79B9;
        high_key += 0xBB67'AE85;
    }
    return counter;
}

std::unique_ptr<Noise> noise_source(std::string_view kind, std::uint64_t seed) {
    if (kind == "torch") return std::make_unique<TorchNoise>(seed);
    if (kind == "philox") return std::make_unique<PhiloxNoise>(seed);
    throw UsageError("Received noise " + repr(kind) + "; expected one of " + joined(NOISES) + ". Choose one of these.");
}

}  // namespace latentlink
