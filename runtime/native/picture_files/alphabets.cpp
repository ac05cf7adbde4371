#include "picture_files/alphabets.h"

#include <algorithm>
#include <array>

#include "vocabulary/texts.h"
#include "vocabulary/utf8.h"

namespace latentlink {
namespace {

using namespace std::string_view_literals;

constexpr char32_t DAMAGED = 0xFFFD;

// Blanks beyond ASCII, in UTF-8: U+0085, U+00A0, U+1680, U+2000 to U+200A, U+2028, U+2029, U+202F, U+205F, U+3000.
constexpr std::array BLANKS = {
    "\xC2\x85"sv,     "\xC2\xA0"sv,     "\xE1\x9A\x80"sv, "\xE2\x80\x80"sv, "\xE2\x80\x81"sv,
    "\xE2\x80\x82"sv, "\xE2\x80\x83"sv, "\xE2\x80\x84"sv, "\xE2\x80\x85"sv, "\xE2\x80\x86"sv,
    "\xE2\x80\x87"sv, "\xE2\x80\x88"sv, "\xE2\x80\x89"sv, "\xE2\x80\x8A"sv, "\xE2\x80\xA8"sv,
    "\xE2\x80\xA9"sv, "\xE2\x80\xAF"sv, "\xE2\x81\x9F"sv, "\xE3\x80\x80"sv,
};

bool is_blank(char one) { return (one >= '\t' && one <= '\r') || (one >= '\x1C' && one <= ' '); }

bool high_half(char32_t code) { return code >= 0xD800 && code < 0xDC00; }
bool low_half(char32_t code) { return code >= 0xDC00 && code < 0xE000; }

unsigned char byte_at(std::string_view bytes, std::size_t at) { return static_cast<unsigned char>(bytes[at]); }

}  // namespace

std::string from_latin1(std::string_view bytes) {
    std::string text;
    for (const char one : bytes) append_utf8(text, static_cast<unsigned char>(one));
    return text;
}

std::string from_utf16(std::string_view bytes, bool high_first) {
    const auto unit = [bytes, high_first](std::size_t at) -> char32_t {
        const unsigned first = byte_at(bytes, at), second = byte_at(bytes, at + 1);
        return high_first ? first << 8 | second : second << 8 | first;
    };
    std::string text;
    std::size_t at = 0;
    for (; at + 1 < bytes.size(); at += 2) {
        const char32_t code = unit(at);
        if (high_half(code) && at + 3 < bytes.size() && low_half(unit(at + 2))) {
            append_utf8(text, 0x10000 + ((code - 0xD800) << 10) + (unit(at + 2) - 0xDC00));
            at += 2;
        } else if (high_half(code) && at + 3 >= bytes.size()) {
            at = bytes.size();  // the rest is one damaged character
            append_utf8(text, DAMAGED);
        } else {
            append_utf8(text, high_half(code) || low_half(code) ? DAMAGED : code);
        }
    }
    if (at < bytes.size()) append_utf8(text, DAMAGED);
    return text;
}

std::optional<std::string> to_latin1(std::string_view utf8) {
    std::string made;
    for (const char32_t code : characters(utf8)) {
        if (code > 0xFF) return std::nullopt;
        made += static_cast<char>(code);
    }
    return made;
}

std::size_t blanks_before(std::string_view utf8) {
    std::string_view rest = utf8;
    while (!rest.empty()) {
        const auto* found = std::ranges::find_if(BLANKS, [rest](auto one) { return rest.starts_with(one); });
        if (found == BLANKS.end() && !is_blank(rest.front())) break;
        rest.remove_prefix(found == BLANKS.end() ? 1 : found->size());
    }
    return utf8.size() - rest.size();
}

std::size_t blanks_behind(std::string_view utf8) {
    std::string_view rest = utf8;
    while (!rest.empty()) {
        const auto* found = std::ranges::find_if(BLANKS, [rest](auto one) { return rest.ends_with(one); });
        if (found == BLANKS.end() && !is_blank(rest.back())) break;
        rest.remove_suffix(found == BLANKS.end() ? 1 : found->size());
    }
    return utf8.size() - rest.size();
}

std::string_view stripped(std::string_view utf8) {
    utf8.remove_prefix(blanks_before(utf8));
    utf8.remove_suffix(blanks_behind(utf8));
    return utf8;
}

}  // namespace latentlink
