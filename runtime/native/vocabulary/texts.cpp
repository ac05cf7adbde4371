#include "vocabulary/texts.h"

#include <charconv>
#include <cmath>
#include <cstdio>

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
    return value.dump();  // a whole number
}

// Number of bytes of the UTF-8 character that begins here; 1 for what is none.
std::size_t length_of_character(std::string_view text) {
    const auto first = static_cast<unsigned char>(text.front());
    const std::size_t length = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF8 ? 4 : 1;
    if (length > text.size()) return 1;
    for (const char next : text.substr(1, length - 1)) {
        if ((static_cast<unsigned char>(next) & 0xC0) != 0x80) return 1;
    }
    return length;
}

std::string one_line(std::string_view text) {
    std::string line;
    std::size_t count = 0;
    while (!text.empty()) {
        const std::size_t length = length_of_character(text);
        if (text.front() != ' ' || line.empty() || line.back() != ' ') {
            if (++count > MAX_SHOWN) return line + "...";
            line += text.substr(0, length);
        }
        text.remove_prefix(length);
    }
    return line;
}

}  // namespace

std::string repr(std::string_view text) {
    const bool has_single = text.find('\'') != std::string_view::npos;
    const char quote = has_single && text.find('"') == std::string_view::npos ? '"' : '\'';
    std::string made(1, quote);
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == quote || c == '\\') {
            made += {'\\', c};
        } else if (c == '\n') {
            made += "\\n";
        } else if (c == '\r') {
            made += "\\r";
        } else if (c == '\t') {
            made += "\\t";
        } else if (byte < 0x20 || byte == 0x7F) {
            char escaped[5];
            std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned>(byte));
            made += escaped;
        } else {
            made += c;
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
    while (!text.empty()) {
        const std::size_t length = length_of_character(text);
        const auto first = static_cast<unsigned char>(text.front());
        char32_t code = length == 1 ? first : first & (0xFFu >> (length + 1));
        for (const char next : text.substr(1, length - 1))
            code = code << 6 | (static_cast<unsigned char>(next) & 0x3Fu);
        made += code;
        text.remove_prefix(length);
    }
    return made;
}

}  // namespace latentlink
