// Which characters a text of a bundle may have: a rule of the format, the same in every version of Unicode.
#pragma once

#include <string_view>

namespace latentlink {

// Whether a terminal shows a character or text as it stands: no control or invisible character, no space other than
// U+0020. The ranges are those of docs/bundle-format.md.
bool is_printable(char32_t character);
bool is_printable(std::string_view text);

}  // namespace latentlink
