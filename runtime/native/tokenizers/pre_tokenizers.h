// Steps that divide a text into the words that a model reads one by one.
#pragma once

#include <functional>
#include <vector>

#include "tokenizers/aligned_text.h"
#include "tokenizers/flat_json.h"

namespace latentlink {

// The parts of a part, without empty ones.
using PreTokenizer = std::function<std::vector<AlignedText>(AlignedText)>;

// The steps of a `tokenizer.json` that was checked, in their order.
// Throws TokenizerError: a field is missing that a step cannot do without, or two contradict each other.
std::vector<PreTokenizer> make_pre_tokenizers(const FlatValue& value);

}  // namespace latentlink
