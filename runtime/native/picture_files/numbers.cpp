#include "picture_files/numbers.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string>

#include "picture_files/alphabets.h"
#include "vocabulary/json_reading.h"

namespace latentlink {
namespace {

constexpr std::size_t MOST_DIGITS = 4300;  // that Python reads as a whole number

bool is_digit(char one) { return one >= '0' && one <= '9'; }

}  // namespace

Json with_64_bits(const Json& value) {
    const std::string digits = large_integer(value);
    std::uint64_t number = 0;
    const char* end = digits.data() + digits.size();
    const auto read = std::from_chars(digits.data(), end, number);
    return digits.empty() || read.ec != std::errc() || read.ptr != end ? value : Json(number);
}

std::optional<Json> read_whole(std::string_view text) {
    text = stripped(text);
    const bool negative = text.starts_with('-');
    std::string_view digits = text.substr(negative || text.starts_with('+') ? 1 : 0);
    if (digits.empty() || digits.size() > MOST_DIGITS || !std::ranges::all_of(digits, is_digit)) return std::nullopt;
    digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size() - 1));  // JSON has no leading zeros
    return with_64_bits(parse_json((negative ? "-" : "") + std::string(digits)));
}

std::optional<Json> read_number(std::string_view text) {
    text = stripped(text);
    if (text.starts_with('+') && text.substr(1, 1) != "-") text.remove_prefix(1);
    double number = 0;
    const auto [end, failed] = std::from_chars(text.begin(), text.end(), number);
    if (end != text.end() || text.ends_with(')') || failed == std::errc::invalid_argument) return std::nullopt;
    // beyond a double: infinite, or 0
    return failed == std::errc() ? Json(number) : Json(std::strtod(std::string(text).c_str(), nullptr));
}

}  // namespace latentlink
