// UTF-8 as Python decodes it: where it is malformed, and why; which text can be shown.
//
// A lone surrogate, which JSON can write as `\ud800`, is kept as the three bytes that UTF-8 would give it. No text that
// was decoded holds it otherwise, as `utf8_fault` refuses these bytes.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace latentlink {

// A place where bytes are no UTF-8: `[begin, end)`, which a decoder that replaces faults reads as one U+FFFD.
struct Utf8Fault {
    std::size_t begin, end;
    std::string_view reason;  // `invalid start byte`

    // Python's words: `'utf-8' codec can't decode byte 0xff in position 0: invalid start byte`.
    std::string message(std::string_view bytes) const;
};

// The first fault at or after `from`, which must be the beginning of a character; none if all is UTF-8.
std::optional<Utf8Fault> utf8_fault(std::string_view bytes, std::size_t from = 0);

// The bytes as UTF-8, each fault replaced by U+FFFD: `bytes.decode("utf-8", "replace")`.
std::string utf8_replaced(std::string_view bytes);

// Add a character, surrogates included.
void append_utf8(std::string& text, char32_t character);

// Take the first character off a text that is not empty. A byte that is no part of any is one, and is read as the lone
// surrogate U+DC80 to U+DCFF that Python's file names have for it.
char32_t next_character(std::string_view& text);

// The number of characters.
std::size_t character_count(std::string_view text);

// The first or last characters of a text, all of it if it has fewer.
std::string first_characters(std::string_view text, std::size_t count);
std::string last_characters(std::string_view text, std::size_t count);

// Whether Python's `repr` shows a character as it is: no control, format, private-use or unassigned character, surrogate,
// or space other than ' '.
bool is_shown(char32_t character);

}  // namespace latentlink
