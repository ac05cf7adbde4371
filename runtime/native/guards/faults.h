// Faults of an array that should be a latent or a picture: the measured numbers, the limits, and the likely cause.
//
// docs/guards.md has the measurements behind the limits.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bundle/calibration_records.h"
#include "samplers/solvers/table.h"
#include "vocabulary/array.h"

namespace latentlink {

// How far latents may lie outside of the measured ranges, as factors.
struct Margin {
    double low;   // below the least root mean square
    double high;  // above the largest root mean square

    // Above the largest deviation of each channel. Its mean may leave the range by this factor less one, times the
    // largest measured mean.
    double channel;
};

// For latents from a denoiser. Ranges are measured with the model's own steps and guidance. 10 steps with guidance 12
// reach 2.0 times the measured root mean square; latents that are 4 times too large begin at 2.4 times.
inline constexpr Margin GENERATED = {.low = 2.5, .high = 2.5, .channel = 3.5};

// For fewer than FEW steps, which overshoot: 2 steps reach 6 times the measured root mean square. The last 3 of 15
// steps, from a picture that does not match the prompt, reach 2.4 times, and 2.8 in a channel's deviation.
inline constexpr Margin HURRIED = {.low = 8.0, .high = 8.0, .channel = 8.0};

// For latents from the VAE's encoder, which are not inflated by few steps or high guidance. Pictures unlike any that
// the model draws (one colour, stripes, ramps, noise) have 0.6 to 1.04 times the measured root mean square, and none of
// them leaves the range in a channel.
inline constexpr Margin ENCODED = {.low = 1.75, .high = 1.5, .channel = 1.5};

// Number of steps below which HURRIED applies, unless the model's own number is as small.
inline constexpr int FEW = 10;

// The one of the measured numbers that tells a fault of numbers that are not finite.
inline constexpr std::string_view NOT_FINITE = "not_finite";

// Why an array is not a valid latent or picture.
struct Fault {
    std::string found;   // what was found and expected, to follow the array's name: `holds 3 values that ...`
    std::string cause;   // the likely cause, as a sentence
    std::string remedy;  // what to do, as a sentence
    std::vector<std::pair<std::string, double>> numbers = {};  // the measured numbers and their limits, by name

    // Whether all the array's values are numbers.
    bool finite() const { return numbers.empty() || numbers.front().first != NOT_FINITE; }
};

// How far the latents of a run may lie outside of the ranges. `steps` run: fewer than requested if the run starts or
// ends half way; `usual` is the model's own number, with which the ranges were measured.
Margin generated_margin(int steps, int usual);

// The fault of an array of floating type that holds NaN or infinity; none if it holds neither.
std::optional<Fault> finite_fault(const Array& array);

// The fault of a latent `[C, h, w]` of finite numbers that is unlike those of real generations; none if it is like
// them, or nothing was measured. Between two measured levels either range may hold.
//
// `ranges` are of its space and model, levels rising; `generated` makes a channel without deviation a fault.
std::optional<Fault> range_fault(const Array& latent, std::span<const LatentRange> ranges, Level level,
                                 const Margin& margin = GENERATED, bool generated = false);

// The fault of a picture, uint8 `[H, W, 3]`, that is flat or noise; none if it has neither fault. A decoder writes
// 8-bit numbers, so NaN inside it becomes 0: a picture, or a channel, of one value. Noise is a fault of `clean`
// pictures; one of half-way latents may hold some.
std::optional<Fault> picture_fault(const Array& picture, bool clean = true);

// Mean square difference of neighbouring pixels over twice the variance: 1 for white noise, near 0 if neighbours are
// alike, 2 for a chequered picture. The picture, uint8 `[H, W, 3]`, is at least 2 pixels high and wide, and not of one
// colour.
double roughness(const Array& picture);

// How much colours of a picture, uint8 `[H, W, 3]`, depend on each other: the mean size of the correlations between
// channels. 0 if they are independent, 1 if they change together, as in a grey or tinted picture. Channels that hardly
// deviate are not counted; with fewer than two others it is 1.
double agreement(const Array& picture);

}  // namespace latentlink
