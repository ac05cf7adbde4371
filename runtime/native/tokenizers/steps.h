// What the two kinds of steps of a `tokenizer.json` have in common.
#pragma once

#include <string_view>
#include <vector>

#include "tokenizers/flat_json.h"
#include "tokenizers/patterns.h"

namespace latentlink {

// The steps of null, one step, or a `Sequence` whose list has this key.
std::vector<FlatValue> steps_of(const FlatValue& value, std::string_view listed);

// What finds a `{"String": text}` or `{"Regex": expression}`.
FindMatches matches_of(const FlatValue& pattern);

// A boolean field; what it is if it is missing.
bool flag_of(const FlatValue& object, std::string_view key, bool missing);

}  // namespace latentlink
