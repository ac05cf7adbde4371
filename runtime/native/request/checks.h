// Checks of a user's values: each returns the value in one known type, or throws an error with what was expected.
//
// Values are JSON, so that the first wrong one is refused in the words of the Python runtime, whatever it is.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "options.h"
#include "vocabulary/json.h"

namespace latentlink {

inline constexpr std::size_t MAX_PROMPT = 20'000;  // characters

// A seed, from -2**63 to 2**64 - 1. Generators read its lowest 64 bits.
struct Seed {
    std::uint64_t bits = 0;
    bool negative = false;  // the number is bits - 2**64

    // Throws UsageError: it is no whole number in the range.
    static Seed of(const Json& value);

    Json to_json() const;
    std::string text() const { return to_json().dump(); }

    bool operator==(const Seed&) const = default;
};

// The seed that stands for a random one, as in other programs.
inline constexpr Seed RANDOM = {~std::uint64_t{0}, true};

using Interval = std::pair<double, double>;  // noise levels, the lower one first; the high one may be infinite

// The name of a value's type in Python, for messages: `list`.
std::string_view type_name(const Json& value);

// One value of an option, checked: a number of the kind `number` is a float then.
// Throws UsageError: it is not of the option's kind, choices or range.
Json check(const Option& option, const Json& value);

// A finite number from `least` to `most`; `expected` describes the range.
// Throws UsageError: it is not one.
double number(std::string_view name, const Json& value, std::string_view expected,
              double least = -std::numeric_limits<double>::infinity(),
              double most = std::numeric_limits<double>::infinity());

// Throws UsageError: the value is not a pair of noise levels, the lower one first.
Interval interval(std::string_view name, const Json& value);

// One prompt or several, each of at most MAX_PROMPT characters.
// Throws UsageError: it is something else, or a prompt is too long or not UTF-8.
std::vector<std::string> prompts(std::string_view name, const Json& value);

// The values of an option for every picture of the batch, from one for all or a list of one for each.
// Throws UsageError: it is neither, or a value is not of the option's kind, choices or range.
std::vector<Json> each_picture(const Option& option, const Json& value, std::size_t batch);

// The seed of every picture: the given ones, or one seed and those that follow it; null and `RANDOM` draw a random one.
// `shared`: one seed is that of the whole batch.
// Throws UsageError: it is no seed, or there are several for a whole batch.
std::vector<Seed> seeds(const Json& value, std::size_t batch, bool shared = false);

// The seed that is `number` after another one, within 64 bits, and never the one that stands for a random one.
Seed following(Seed seed, std::uint32_t number);

}  // namespace latentlink
