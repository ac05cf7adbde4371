#include "command/parsing.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <map>
#include <optional>
#include <vector>

#include "request/checks.h"
#include "vocabulary/errors.h"
#include "vocabulary/texts.h"

namespace latentlink {
namespace {

std::string_view stripped(std::string_view text) {
    constexpr std::string_view SPACE = " \t\n\r\f\v";
    const auto first = text.find_first_not_of(SPACE);
    if (first == std::string_view::npos) return "";
    return text.substr(first, text.find_last_not_of(SPACE) - first + 1);
}

std::vector<std::string_view> split(std::string_view text) {
    std::vector<std::string_view> parts;
    while (true) {
        const auto comma = text.find(',');
        parts.push_back(text.substr(0, comma));
        if (comma == std::string_view::npos) return parts;
        text.remove_prefix(comma + 1);
    }
}

// A number as Python's `float` reads it, as far as people write them.
std::optional<double> read_number(std::string_view text) {
    text = stripped(text);
    if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (end != text.data() + text.size() || text.empty()) return std::nullopt;
    if (error == std::errc::result_out_of_range) return std::strtod(std::string(text).c_str(), nullptr);
    return error == std::errc() ? std::optional(number) : std::nullopt;
}

template <typename Whole>
std::optional<Whole> read_whole(std::string_view text) {
    text = stripped(text);
    if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
    Whole number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

UsageError wrong(std::string_view flag, std::string_view value, std::string_view expected) {
    return UsageError(std::string(flag) + " is " + std::string(value) + "; expected " + std::string(expected) + ".");
}

std::string whole_range(std::string_view least, std::string_view most) {
    return "a whole number from " + std::string(least) + " to " + std::string(most);
}

Json parse_seed(std::string_view flag, const std::string& text) {
    if (const auto number = read_whole<std::int64_t>(text)) return *number;
    if (const auto number = read_whole<std::uint64_t>(text)) return *number;
    throw wrong(flag, shown(text), whole_range("-9223372036854775808", "18446744073709551615"));
}

}  // namespace

std::int64_t parse_size(std::string_view text) {
    static const std::map<std::string, double, std::less<>> UNITS = {
        {"", 1},      {"b", 1},        {"kb", 1e3},        {"mb", 1e6},           {"gb", 1e9},
        {"tb", 1e12}, {"kib", 1024.0}, {"mib", 1048576.0}, {"gib", 1073741824.0}, {"tib", 1099511627776.0}};
    const std::string small = lower(stripped(text));
    const auto digits = std::min(small.find_first_not_of("0123456789."), small.size());
    const auto unit = UNITS.find(stripped(std::string_view(small).substr(digits)));
    const auto number = read_number(std::string_view(small).substr(0, digits));
    const bool plain = !small.starts_with('.') && digits > 0 && small[digits - 1] != '.';
    const double count = plain && number && unit != UNITS.end() ? std::floor(*number * unit->second) : 0;
    if (count < 1 || count >= 0x1p63) {
        throw UsageError(repr(text) + " is not a size of memory, such as 500MB, 2GB or 2GiB.");
    }
    return static_cast<std::int64_t>(count);
}

std::pair<std::string, std::string> parse_replacement(const std::string& text) {
    const auto at = text.find('=');
    if (at == 0 || at == std::string::npos || at + 1 == text.size()) {
        throw UsageError(repr(text) + " is not COMPONENT=BUNDLE, such as vae_decoder=other_bundle.");
    }
    return {text.substr(0, at), text.substr(at + 1)};
}

Json parse_interval(std::string_view text) {
    const auto parts = split(text);
    if (parts.size() == 2) {
        const auto low = read_number(parts[0]), high = read_number(parts[1]);
        if (low && high) return {*low, *high};
    }
    throw UsageError(
        repr(text) +
        " is not an interval of noise levels; expected LOW,HIGH, such as 0.28,5.42 or 0,5.42 or 0.28,inf.");
}

Json parse_conditions(std::span<const std::string> texts) {
    Json read = Json::object();
    for (const std::string& text : texts) {
        const auto at = text.find('=');
        Json numbers = Json::array();
        for (const std::string_view part :
             split(at == std::string::npos ? "" : std::string_view(text).substr(at + 1))) {
            const auto number = read_number(part);
            if (!number) throw UsageError(repr(text) + " is not a condition; expected NAME=NUMBER,NUMBER.");
            numbers.push_back(*number);
        }
        read[text.substr(0, at)] = std::move(numbers);
    }
    return read;
}

Json parse_option(const Option& option, const std::string& text) {
    const std::string flag = option.flag_name();
    if (option.name == "seed") return parse_seed(flag, text);
    switch (option.kind) {
        case Option::Kind::whole: {
            const auto least = static_cast<std::int64_t>(option.least), most = static_cast<std::int64_t>(option.most);
            return parse_whole(flag, text, least, most);
        }
        case Option::Kind::number: {
            const std::string expected(option.expected.empty() ? "a number" : option.expected);
            const auto number = read_number(text);
            if (!number) throw wrong(flag, shown(text), expected);
            if (!std::isfinite(*number) || *number < option.least || *number > option.most) {
                throw wrong(flag, shown(Json(*number)), expected);
            }
            return *number;
        }
        case Option::Kind::interval: return parse_interval(text);
        default: break;
    }
    if (!option.choices.empty() && std::ranges::find(option.choices, text) == option.choices.end()) {
        throw UsageError("Invalid value for " + flag + ": " + repr(text) + " is not one of " + joined(option.choices) +
                         ".");
    }
    return text;
}

std::int64_t parse_whole(std::string_view flag, const std::string& text, std::int64_t least, std::int64_t most) {
    const auto number = read_whole<std::int64_t>(text);
    const std::string expected = whole_range(std::to_string(least), std::to_string(most));
    if (!number) throw wrong(flag, shown(text), expected);
    if (*number < least || *number > most) throw wrong(flag, std::to_string(*number), expected);
    return *number;
}

}  // namespace latentlink
