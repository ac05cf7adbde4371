// The normal forms of Unicode, with what became of each character.
#pragma once

#include <string_view>
#include <vector>

#include "tokenizers/aligned_text.h"

namespace latentlink {

enum class NormalForm { nfc, nfd, nfkc, nfkd };

// The changes that bring a text into a form. Only characters of Unicode 9 are changed, as in the library: its tables
// are of that version, and a character's forms never change.
std::vector<TextChange> normal_form(std::u32string_view text, NormalForm form);

}  // namespace latentlink
