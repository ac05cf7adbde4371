#include "vocabulary/texts.h"

#include <charconv>
#include <cmath>
#include <cstdio>

#include "vocabulary/json_reading.h"
#include "vocabulary/utf8.h"

namespace latentlink {

namespace {

constexpr std::size_t MAX_SHOWN = 120;
constexpr int MAX_DEPTH = 64;  // of nested JSON that a message shows

std::string repr_nested(const Json& value, int depth) {
    if (depth > MAX_DEPTH) return "...";
    if (value.is_null()) return "None";
    if (value.is_boolean()) return value.get<bool>() ? "True" : "False";
    if (value.is_string()) return repr(value.get_ref<const std::string&>());
    if (value.is_number_float()) return repr(value.get<double>());
    if (value.is_object()) {
        std::string text;
        for (const auto& [key, member] : value.items()) {
            text += (text.empty() ? "" : ", ") + repr(key) + ": " + repr_nested(member, depth + 1);
        }
        return "{" + text + "}";
    }
    if (value.is_array()) {
        std::string text;
        for (const Json& member : value) text += (text.empty() ? "" : ", ") + repr_nested(member, depth + 1);
        return "[" + text + "]";
    }
    const std::string digits = large_integer(value);
    return digits.empty() ? value.dump() : digits;
}

std::string one_line(std::string_view text) {
    std::string line;
    std::size_t count = 0;
    while (!text.empty()) {
        const std::string_view before = text;
        const char32_t character = next_character(text);
        if (character != ' ' || line.empty() || line.back() != ' ') {
            if (++count > MAX_SHOWN) return line + "...";
            line += before.substr(0, before.size() - text.size());
        }
    }
    return line;
}

// `\x1b`, `\u202e`, `\U000e0001`
std::string escaped(char32_t character) {
    char text[16];
    const char* format = character < 0x100 ? "\\x%02x" : character < 0x10000 ? "\\u%04x" : "\\U%08x";
    std::snprintf(text, sizeof text, format, static_cast<unsigned>(character));
    return text;
}

}  // namespace

std::string repr(std::string_view text) { return repr(text, is_shown); }

std::string repr(std::string_view text, bool (*shown)(char32_t)) {
    const bool has_single = text.find('\'') != std::string_view::npos;
    const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
    std::string made(1, quote);
    while (!text.empty()) {
        const std::string_view before = text;
        const char32_t character = next_character(text);
        if (character == static_cast<char32_t>(quote) || character == '\\') {
            made += {'\\', before.front()};
        } else if (character == '\n') {
            made += "\\n";
        } else if (character == '\r') {
            made += "\\r";
        } else if (character == '\t') {
            made += "\\t";
        } else if (shown(character)) {
            made += before.substr(0, before.size() - text.size());
        } else {
            made += escaped(character);
        }
    }
    return made + quote;
}

std::string repr(double value) {
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
    const double size = std::abs(value);
    const bool exponent = size != 0 && (size < 1e-4 || size >= 1e16);
    char digits[64];
    const auto format = exponent ? std::chars_format::scientific : std::chars_format::fixed;
    const auto end = std::to_chars(digits, digits + sizeof digits, value, format).ptr;
    std::string text(digits, end);
    if (!exponent && text.find('.') == std::string::npos) text += ".0";
    return text;
}

std::string repr(const Json& value) { return repr_nested(value, 0); }

std::string shown(std::string_view text) { return one_line(repr(text)); }

std::string shown(const Json& value) { return one_line(repr(value)); }

std::string general(double value, int digits) {
    char text[64];
    std::snprintf(text, sizeof text, "%.*g", digits, value);
    return text;
}

std::string joined(std::span<const std::string_view> names) {
    std::string text;
    for (const std::string_view name : names) {
        if (!text.empty()) text += ", ";
        text += name;
    }
    return text;
}

std::string lower(std::string_view text) {
    std::string made(text);
    for (char& c : made) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return made;
}

std::u32string characters(std::string_view text) {
    std::u32string made;
    while (!text.empty()) made += next_character(text);
    return made;
}

}  // namespace latentlink
