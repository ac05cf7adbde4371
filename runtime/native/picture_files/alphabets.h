// FileTexts of other alphabets as UTF-8, and back; what is damaged becomes U+FFFD, as where Python replaces it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace latentlink {

std::string from_latin1(std::string_view bytes);
std::string from_utf16(std::string_view bytes, bool high_first);

// None if a character is not in Latin-1.
std::optional<std::string> to_latin1(std::string_view utf8);

// Bytes of blanks that UTF-8 text begins or ends with, of all characters that Python takes for blanks.
std::size_t blanks_before(std::string_view utf8);
std::size_t blanks_behind(std::string_view utf8);

// Without blanks around it: Python's `strip`.
std::string_view stripped(std::string_view utf8);

}  // namespace latentlink
