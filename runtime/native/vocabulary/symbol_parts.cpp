#include "vocabulary/symbol_parts.h"

#include <algorithm>

namespace latentlink {
namespace {

constexpr std::size_t MAX_DIGITS = 9;  // of a size

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return c >= 'a' && c <= 'z'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }
bool is_joint(char c) { return c == '-' || c == '_' || c == '.'; }

bool is_sized_letter(std::string_view text) {
    return text.size() >= 2 && text.size() <= 1 + MAX_DIGITS && is_letter(text[0]) && text[1] != '0' &&
           std::ranges::all_of(text.substr(1), is_digit);
}

}  // namespace

bool is_name(std::string_view text) {
    bool joined = true;  // a word has to begin here
    for (const char c : text) {
        const bool joint = is_joint(c);
        if (joint ? joined : !is_letter(c) && !is_digit(c)) return false;
        joined = joint;
    }
    return !joined;
}

bool is_digest(std::string_view text) { return text.size() == 8 && std::ranges::all_of(text, is_hex); }

bool is_sha256(std::string_view text) { return text.size() == 64 && std::ranges::all_of(text, is_hex); }

bool is_layout(std::string_view text) {
    while (true) {
        const std::size_t end = text.find('_');
        if (!is_sized_letter(text.substr(0, end))) return false;
        if (end == std::string_view::npos) return true;
        text.remove_prefix(end + 1);
    }
}

bool is_slot(std::string_view text) {
    const auto digits = std::ranges::find_if_not(text, is_letter);
    return digits != text.begin() && std::all_of(digits, text.end(), is_digit);
}

}  // namespace latentlink
