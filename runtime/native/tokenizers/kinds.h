// The steps that a tokenizer may have: their kinds by name, each with its fields. docs/bundle-format.md is the rule.
//
// A step that is not here is refused, and so is one that could multiply a text: no kind makes more than a fixed number
// of characters of one, and none but `Replace` and `Split` occurs twice.
#pragma once

#include <cstddef>
#include <string>

#include "tokenizers/flat_json.h"

namespace latentlink {

inline constexpr std::size_t MAX_STEPS = 8;
inline constexpr std::size_t MAX_PATTERN = 64;

// Check steps that change the text: null, one, or a `Sequence` of them.
// Throws TokenizerFormatError: it is something else, or could multiply a text.
void check_normalizer(const std::string& where, const FlatValue& value);

// Check steps that divide the text into words, in the same form.
// Throws TokenizerFormatError: it is something else.
void check_pre_tokenizer(const std::string& where, const FlatValue& value);

}  // namespace latentlink
