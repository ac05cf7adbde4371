#include "request/checks.h"

#include <cmath>
#include <cstdio>
#include <limits>
#include <random>

#include "vocabulary/close_match.h"
#include "vocabulary/errors.h"
#include "vocabulary/texts.h"
#include "vocabulary/utf8.h"

namespace latentlink {

namespace {

// For an engine only what float32 can hold is finite.
constexpr double LARGEST = std::numeric_limits<float>::max();

constexpr std::string_view SEED_RANGE = "-9223372036854775808 to 18446744073709551615";

Json whole_number(const Option& option, const Json& value) {
    const double plain = value.is_number_integer() ? value.get<double>() : std::nan("");
    if (plain >= option.least && plain <= option.most) return value;
    throw UsageError(std::string(option.name) + " is " + shown(value) + "; expected a whole number from " +
                     general(option.least) + " to " + general(option.most) + ".");
}

Json true_or_false(const Option& option, const Json& value) {
    if (value.is_boolean()) return value;
    throw UsageError(std::string(option.name) + " is " + shown(value) + "; expected True or False.");
}

Json chosen(const Option& option, const Json& value) {
    const bool text = value.is_string();
    for (const std::string_view one : option.choices) {
        if (text && value.get_ref<const std::string&>() == one) return value;
    }
    const auto near = text ? close_match(value.get_ref<const std::string&>(), option.choices, 0.6) : std::nullopt;
    throw UsageError("Unknown " + std::string(option.name) + " " + shown(value) +
                         "; expected one of: " + joined(option.choices) + ".",
                     near ? "Did you mean " + repr(*near) + "?" : "");
}

UsageError no_prompt(std::string_view name, const Json& value) {
    return UsageError("Received " + std::string(type_name(value)) + " for a " + std::string(name) +
                      "; expected text, or a list of texts.");
}

// Half of a surrogate pair is how Python reads a byte that is no text.
UsageError no_text(std::string_view name, char32_t half, std::size_t place) {
    char shown[8];
    std::snprintf(shown, sizeof shown, "\\u%04x", static_cast<unsigned>(half) & 0xFFFFU);
    return UsageError("The " + std::string(name) + " holds '" + shown + "' at character " + std::to_string(place) +
                          ", which is no text; expected Unicode characters.",
                      "Give it in UTF-8.");
}

std::string prompt(std::string_view name, const Json& value) {
    if (!value.is_string()) throw no_prompt(name, value);
    const auto& text = value.get_ref<const std::string&>();
    std::size_t count = 0, bad = 0;  // numbers of characters
    char32_t half = 0;
    for (std::string_view rest = text; !rest.empty();) {
        const char32_t character = next_character(rest);
        ++count;
        if (bad == 0 && character >= 0xD800 && character <= 0xDFFF) bad = count, half = character;
    }
    if (count > MAX_PROMPT) {
        throw UsageError("The " + std::string(name) + " has " + std::to_string(count) +
                         " characters; expected at most " + std::to_string(MAX_PROMPT) + ".");
    }
    if (bad != 0) throw no_text(name, half, bad);
    return text;
}

Seed random_seed() {
    std::random_device source;
    return {static_cast<std::uint32_t>(source())};
}

Seed drawn_or(const Json& value) {
    if (value.is_null()) return random_seed();
    const Seed seed = Seed::of(value);
    return seed == RANDOM ? random_seed() : seed;
}

}  // namespace

Seed Seed::of(const Json& value) {
    if (!value.is_number_integer()) {
        throw UsageError("seed is " + shown(value) + "; expected a whole number from " + std::string(SEED_RANGE) + ".");
    }
    if (value.is_number_unsigned()) return {value.get<std::uint64_t>(), false};
    const auto number = value.get<std::int64_t>();
    return {static_cast<std::uint64_t>(number), number < 0};
}

Json Seed::to_json() const { return negative ? Json(static_cast<std::int64_t>(bits)) : Json(bits); }

std::string_view type_name(const Json& value) {
    if (value.is_null()) return "NoneType";
    if (value.is_boolean()) return "bool";
    if (value.is_number_integer()) return "int";
    if (value.is_number()) return "float";
    if (value.is_string()) return "str";
    return value.is_array() ? "list" : "dict";
}

Json check(const Option& option, const Json& value) {
    using enum Option::Kind;
    if (!option.choices.empty()) return chosen(option, value);
    switch (option.kind) {
        case whole: return whole_number(option, value);
        case number: return latentlink::number(option.name, value, option.expected, option.least, option.most);
        case truth: return true_or_false(option, value);
        case interval: {
            const auto [low, high] = latentlink::interval(option.name, value);
            return Json::array({low, high});
        }
        default: return value;
    }
}

double number(std::string_view name, const Json& value, std::string_view expected, double least, double most) {
    const double plain = value.is_number() ? value.get<double>() : std::nan("");
    if (plain >= std::max(least, -LARGEST) && plain <= std::min(most, LARGEST)) return plain;
    throw UsageError(std::string(name) + " is " + shown(value) + "; expected " + std::string(expected) + ".");
}

Interval interval(std::string_view name, const Json& value) {
    constexpr std::string_view EXPECTED = "two noise levels (low, high), 0 <= low < high, as ratios of noise to signal";
    const auto wrong = [name, EXPECTED](const std::string& found) {
        return UsageError(std::string(name) + " is " + found + "; expected " + std::string(EXPECTED) + ".");
    };
    if (!value.is_array() || value.size() != 2) throw wrong(shown(value));
    const double low = number("The low end of " + std::string(name), value[0], EXPECTED, 0);
    const bool open = value[1].is_number_float() && value[1].get<double>() == std::numeric_limits<double>::infinity();
    const double high =
        open ? value[1].get<double>() : number("The high end of " + std::string(name), value[1], EXPECTED, 0);
    if (!(low < high)) throw wrong(general(low) + " to " + general(high));
    return {low, high};
}

std::vector<std::string> prompts(std::string_view name, const Json& value) {
    if (value.is_string()) return {prompt(name, value)};
    if (!value.is_array()) throw no_prompt(name, value);
    std::vector<std::string> texts;
    for (const Json& one : value) texts.push_back(prompt(name, one));
    return texts;
}

std::vector<Json> each_picture(const Option& option, const Json& value, std::size_t batch) {
    if (!value.is_array()) return std::vector<Json>(batch, check(option, value));
    if (value.size() != batch) {
        throw UsageError(std::to_string(value.size()) + " values of " + std::string(option.name) + " for " +
                         std::to_string(batch) + " pictures; expected one for all, or one a picture.");
    }
    std::vector<Json> checked;
    for (const Json& one : value) checked.push_back(check(option, one));
    return checked;
}

std::vector<Seed> seeds(const Json& value, std::size_t batch, bool shared) {
    std::vector<Seed> made;
    if (!value.is_array()) {
        const Seed first = drawn_or(value);
        for (std::uint32_t number = 0; number < batch; ++number)
            made.push_back(shared ? first : following(first, number));
        return made;
    }
    if (shared) {
        throw UsageError("batch_seed draws the noise of all pictures from one seed, but received " +
                             std::to_string(value.size()) + "; expected one.",
                         "Leave batch_seed out.");
    }
    if (value.size() != batch) {
        throw UsageError(std::to_string(value.size()) + " seeds for " + std::to_string(batch) +
                         " pictures; expected one, or one a picture.");
    }
    for (const Json& one : value) made.push_back(drawn_or(one));
    return made;
}

Seed following(Seed seed, std::uint32_t number) {
    const std::uint64_t after = seed.bits + number;  // generators read seeds modulo 2**64
    const Seed next = {after, seed.negative && after >= seed.bits};
    return next == RANDOM ? Seed{RANDOM.bits, false} : next;
}

}  // namespace latentlink
