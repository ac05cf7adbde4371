#include "command/printing.h"

#include <unistd.h>
#include <utf8proc.h>

#include <algorithm>
#include <cerrno>
#include <cmath>

#include "vocabulary/files.h"
#include "vocabulary/json_writing.h"
#include "vocabulary/texts.h"

namespace latentlink {
namespace {

bool reorders(char32_t one) {  // CVE-2021-42574
    switch (utf8proc_get_property(static_cast<utf8proc_int32_t>(one))->bidi_class) {
        case UTF8PROC_BIDI_CLASS_LRE:
        case UTF8PROC_BIDI_CLASS_RLE:
        case UTF8PROC_BIDI_CLASS_LRO:
        case UTF8PROC_BIDI_CLASS_RLO:
        case UTF8PROC_BIDI_CLASS_PDF:
        case UTF8PROC_BIDI_CLASS_LRI:
        case UTF8PROC_BIDI_CLASS_RLI:
        case UTF8PROC_BIDI_CLASS_FSI:
        case UTF8PROC_BIDI_CLASS_PDI: return true;
        default: return false;
    }
}

bool hidden(char32_t one) {
    switch (utf8proc_category(static_cast<utf8proc_int32_t>(one))) {
        case UTF8PROC_CATEGORY_CC:
        case UTF8PROC_CATEGORY_CS:
        case UTF8PROC_CATEGORY_ZL:
        case UTF8PROC_CATEGORY_ZP: return true;
        default: return reorders(one);
    }
}

// As Python's `unicode_escape`.
std::string escape(char32_t one) {
    if (one == U'\n') return "\\n";
    if (one == U'\r') return "\\r";
    if (one == U'\t') return "\\t";
    char text[16];
    const char* format = one < 0x100 ? "\\x%02x" : one < 0x10000 ? "\\u%04x" : "\\U%08x";
    const int length = std::snprintf(text, sizeof text, format, static_cast<unsigned>(one));
    return {text, static_cast<std::size_t>(length)};
}

std::string utf8(char32_t one) {
    utf8proc_uint8_t bytes[4];
    const auto length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(one), bytes);
    return {reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(length)};
}

// Columns of a terminal that a text takes.
std::size_t width_of(std::string_view text) {
    std::size_t width = 0;
    for (const char32_t one : characters(text)) {
        width += static_cast<std::size_t>(std::max(utf8proc_charwidth(static_cast<utf8proc_int32_t>(one)), 0));
    }
    return width;
}

void write_line(int descriptor, std::string text) {
    text += '\n';
    for (std::size_t at = 0; at < text.size();) {
        const auto written = ::write(descriptor, text.data() + at, text.size() - at);
        if (written >= 0) {
            at += static_cast<std::size_t>(written);
        } else if (errno == EPIPE) {
            throw NobodyReads{};
        } else if (errno == EBADF || descriptor == 2) {
            return;  // it was closed before the program began; nobody can be told
        } else if (errno != EINTR && errno != EAGAIN) {
            throw system_error(errno);
        }
    }
}

std::string indented(const Json& value, const std::string& margin) {
    const std::string inner = margin + "  ";
    if (value.is_number_float() && !std::isfinite(value.get<double>())) return "null";
    if (!value.is_structured() || value.empty()) return dumps(value);
    std::string text;
    if (value.is_array()) {
        for (const Json& one : value) text += (text.empty() ? "[\n" : ",\n") + inner + indented(one, inner);
        return text + "\n" + margin + "]";
    }
    for (const auto& [name, one] : value.items()) {
        text += (text.empty() ? "{\n" : ",\n") + inner + dumps(name) + ": " + indented(one, inner);
    }
    return text + "\n" + margin + "}";
}

}  // namespace

void Printer::say(std::string_view text) const { write_line(descriptor_, printable(text)); }

void Printer::table(const std::vector<std::string>& heads, const std::vector<std::vector<std::string>>& rows,
                    bool right) const {
    std::vector<std::vector<std::string>> cells = {heads};
    cells.insert(cells.end(), rows.begin(), rows.end());
    std::vector<std::size_t> widths(heads.size());
    for (auto& row : cells) {
        for (std::size_t at = 0; at < row.size(); ++at) {
            row[at] = printable(row[at]);
            widths[at] = std::max(widths[at], width_of(row[at]));
        }
    }
    for (const auto& row : cells) {
        std::string line;
        for (std::size_t at = 0; at < row.size(); ++at) {
            const std::string space(widths[at] - width_of(row[at]), ' ');
            if (at > 0) line += "  ";
            line += right && at > 0 ? space + row[at] : row[at] + space;
        }
        line.erase(line.find_last_not_of(' ') + 1);
        write_line(descriptor_, std::move(line));
    }
}

void Printer::json(const Json& value) const { write_line(descriptor_, json_text(value)); }

void complain(std::string_view text) { write_line(2, printable(text)); }

std::string printable(std::string_view text) {
    std::string made;
    for (const char32_t one : characters(text)) made += hidden(one) ? escape(one) : utf8(one);
    return made;
}

std::string json_text(const Json& value) { return indented(value, ""); }

}  // namespace latentlink
