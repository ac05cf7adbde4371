// Characters as the `tokenizers` library knows them, whose parts follow different versions of Unicode.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace latentlink {

// The general categories that patterns name.
enum class Category : std::uint8_t { other, upper, lower, title, modifier, letter, mark, number };

Category category_of(char32_t character);

// White space: the property of this name, of 25 characters.
bool is_space(char32_t character);

// Whether an added token of a whole word cannot stand beside it.
bool is_word(char32_t character);

// Whether a normal form may change or move it. Those that Unicode got after version 9 are as if unassigned.
bool is_normalized_away(char32_t character);

// Its small letter, which for `İ` is two characters.
std::u32string small_letter(char32_t character);

// Where each extended grapheme cluster ends: what a reader takes for one character (UAX #29).
std::vector<std::size_t> grapheme_ends(std::u32string_view text);

}  // namespace latentlink
