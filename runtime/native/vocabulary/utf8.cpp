#include "vocabulary/utf8.h"

#include <utf8proc.h>

#include <cstdio>

namespace latentlink {

namespace {

constexpr std::string_view REPLACEMENT = "\xEF\xBF\xBD";

constexpr std::string_view START = "invalid start byte";
constexpr std::string_view CONTINUATION = "invalid continuation byte";
constexpr std::string_view END = "unexpected end of data";

unsigned byte_at(std::string_view text, std::size_t place) { return static_cast<unsigned char>(text[place]); }

bool continues(unsigned byte) { return (byte & 0xC0) == 0x80; }

// Bytes of a character by its first one; 0 for what begins none.
std::size_t length_of(unsigned first) {
    if (first < 0x80) return 1;
    if (first < 0xC2) return 0;
    return first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
}

// Whether a second byte gives the shortest form of a character that is no surrogate and not beyond U+10FFFF.
bool may_follow(unsigned first, unsigned second) {
    if (!continues(second)) return false;
    switch (first) {
        case 0xE0: return second >= 0xA0;
        case 0xED: return second < 0xA0;
        case 0xF0: return second >= 0x90;
        case 0xF4: return second < 0x90;
        default: return true;
    }
}

// The fault of the character at `begin`, if it has one. A decoder goes on after the bytes that could be part of one.
std::optional<Utf8Fault> fault_at(std::string_view bytes, std::size_t begin, std::size_t length) {
    if (length == 0) return Utf8Fault{begin, begin + 1, START};
    for (std::size_t place = begin + 1; place < begin + length; ++place) {
        if (place == bytes.size()) return Utf8Fault{begin, place, END};
        const bool good = place == begin + 1 ? may_follow(byte_at(bytes, begin), byte_at(bytes, place))
                                             : continues(byte_at(bytes, place));
        if (!good) return Utf8Fault{begin, place, CONTINUATION};
    }
    return std::nullopt;
}

// The character at the beginning of the text, and its bytes; a byte that is no part of any is read as itself, in the
// place where Python's file names have it.
std::pair<char32_t, std::size_t> decode(std::string_view text) {
    const unsigned first = byte_at(text, 0);
    const std::size_t length = length_of(first);
    if (length == 1) return {first, 1};
    const bool surrogate =
        first == 0xED && text.size() > 2 && (byte_at(text, 1) & 0xE0) == 0xA0 && continues(byte_at(text, 2));
    if (!surrogate && fault_at(text, 0, length)) return {0xDC00 + first, 1};
    char32_t code = first & (0xFFu >> (length + 1));
    for (std::size_t place = 1; place < length; ++place) code = code << 6 | (byte_at(text, place) & 0x3F);
    return {code, length};
}

}  // namespace

std::string Utf8Fault::message(std::string_view bytes) const {
    char text[96];
    if (end - begin == 1) {
        std::snprintf(text, sizeof text,
                      "'utf-8' codec can't decode byte 0x%02x in position %zu: ", byte_at(bytes, begin), begin);
    } else {
        std::snprintf(text, sizeof text, "'utf-8' codec can't decode bytes in position %zu-%zu: ", begin, end - 1);
    }
    return text + std::string(reason);
}

std::optional<Utf8Fault> utf8_fault(std::string_view bytes, std::size_t from) {
    while (from < bytes.size()) {
        const std::size_t length = length_of(byte_at(bytes, from));
        if (length != 1) {
            if (const auto fault = fault_at(bytes, from, length)) return fault;
        }
        from += length;
    }
    return std::nullopt;
}

std::string utf8_replaced(std::string_view bytes) {
    std::string text;
    std::size_t done = 0;
    while (const auto fault = utf8_fault(bytes, done)) {
        text.append(bytes.substr(done, fault->begin - done)).append(REPLACEMENT);
        done = fault->end;
    }
    return text.append(bytes.substr(done));
}

void append_utf8(std::string& text, char32_t character) {
    const auto add = [&text](char32_t byte) { text += static_cast<char>(static_cast<unsigned char>(byte)); };
    if (character < 0x80) return add(character);
    if (character < 0x800) {
        add(0xC0 | character >> 6);
    } else {
        if (character < 0x10000) {
            add(0xE0 | character >> 12);
        } else {
            add(0xF0 | character >> 18);
            add(0x80 | (character >> 12 & 0x3F));
        }
        add(0x80 | (character >> 6 & 0x3F));
    }
    add(0x80 | (character & 0x3F));
}

char32_t next_character(std::string_view& text) {
    const auto [character, length] = decode(text);
    text.remove_prefix(length);
    return character;
}

std::size_t character_count(std::string_view text) {
    std::size_t count = 0;
    for (; !text.empty(); ++count) next_character(text);
    return count;
}

std::string first_characters(std::string_view text, std::size_t count) {
    std::string_view rest = text;
    while (count-- > 0 && !rest.empty()) next_character(rest);
    return std::string(text.substr(0, text.size() - rest.size()));
}

std::string last_characters(std::string_view text, std::size_t count) {
    const std::size_t all = character_count(text);
    return std::string(text.substr(first_characters(text, all - std::min(all, count)).size()));
}

bool is_shown(char32_t character) {
    if (character < 0x7F) return character >= ' ';
    switch (utf8proc_category(static_cast<utf8proc_int32_t>(character))) {
        case UTF8PROC_CATEGORY_CN:
        case UTF8PROC_CATEGORY_CC:
        case UTF8PROC_CATEGORY_CF:
        case UTF8PROC_CATEGORY_CS:
        case UTF8PROC_CATEGORY_CO:
        case UTF8PROC_CATEGORY_ZS:
        case UTF8PROC_CATEGORY_ZL:
        case UTF8PROC_CATEGORY_ZP: return false;
        default: return true;
    }
}

}  // namespace latentlink
