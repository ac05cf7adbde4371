#include "vocabulary/json_writing.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "vocabulary/texts.h"

namespace latentlink {
namespace {

constexpr int MAX_DEPTH = 200;  // of nested values

void append_unit(char32_t unit, std::string& into) {
    char text[7];
    std::snprintf(text, sizeof text, "\\u%04x", static_cast<unsigned>(unit & 0xFFFFu));
    into += text;
}

// A character as UTF-16 units, which JSON's escapes hold.
void append_escape(char32_t code, std::string& into) {
    if (code < 0x10000) return append_unit(code, into);
    append_unit(0xD800 + ((code - 0x10000) >> 10), into);
    append_unit(0xDC00 + ((code - 0x10000) & 0x3FFu), into);
}

// The letter after the backslash, for characters that have one.
char short_escape(char c) {
    switch (c) {
        case '"':
        case '\\': return c;
        case '\b': return 'b';
        case '\f': return 'f';
        case '\n': return 'n';
        case '\r': return 'r';
        case '\t': return 't';
        default: return 0;
    }
}

void append_text(std::string_view text, bool ascii, std::string& into) {
    into += '"';
    std::size_t plain = 0;  // bytes since the last escape, which are written as they are
    for (std::size_t at = 0; at < text.size();) {
        const auto byte = static_cast<unsigned char>(text[at]);
        const std::size_t length = byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
        const char letter = short_escape(text[at]);
        if (letter == 0 && byte >= 0x20 && (!ascii || byte < 0x7F)) {
            at += length;
            continue;
        }
        into += text.substr(plain, at - plain);
        if (letter != 0) {
            into += {'\\', letter};
        } else {
            const std::u32string code = characters(text.substr(at, length));
            if (code.size() != 1 || text.size() - at < length) throw std::invalid_argument("no UTF-8");
            append_escape(code[0], into);
        }
        at += length;
        plain = at;
    }
    if (plain < text.size()) into += text.substr(plain);
    into += '"';
}

class Writer {
  public:
    explicit Writer(const JsonStyle& style) : style_(style) {}

    void append(const Json& value, int depth) {
        if (depth > MAX_DEPTH) throw std::invalid_argument("JSON is nested too deep to be written");
        if (value.is_string()) {
            append_text(value.get_ref<const std::string&>(), style_.ascii, made);
        } else if (value.is_number_float()) {
            if (!std::isfinite(value.get<double>())) throw std::invalid_argument("JSON holds finite numbers alone");
            made += repr(value.get<double>());
        } else if (value.is_array()) {
            append_list(value, depth);
        } else if (value.is_object()) {
            append_object(value, depth);
        } else {
            made += value.dump();  // null, true, false or a whole number
        }
    }

    std::string made;

  private:
    void append_list(const Json& value, int depth) {
        made += '[';
        for (std::size_t i = 0; i < value.size(); ++i) {
            if (i > 0) made += style_.compact ? "," : ", ";
            append(value[i], depth + 1);
        }
        made += ']';
    }

    void append_object(const Json& value, int depth) {
        std::vector<std::pair<std::string_view, const Json*>> members;
        for (const auto& [key, member] : value.items()) members.emplace_back(key, &member);
        if (style_.sorted) std::ranges::stable_sort(members, {}, [](const auto& member) { return member.first; });
        made += '{';
        for (std::size_t i = 0; i < members.size(); ++i) {
            if (i > 0) made += style_.compact ? "," : ", ";
            append_text(members[i].first, style_.ascii, made);
            made += style_.compact ? ":" : ": ";
            append(*members[i].second, depth + 1);
        }
        made += '}';
    }

    const JsonStyle& style_;
};

}  // namespace

std::string dumps(const Json& value, const JsonStyle& style) {
    Writer writer(style);
    writer.append(value, 0);
    return std::move(writer.made);
}

}  // namespace latentlink
