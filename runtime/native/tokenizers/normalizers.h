// Steps that change a text before it is divided into words.
#pragma once

#include <functional>
#include <vector>

#include "tokenizers/aligned_text.h"
#include "tokenizers/flat_json.h"

namespace latentlink {

using Normalizer = std::function<void(AlignedText&)>;

// The steps of a `tokenizer.json` that was checked, in their order.
std::vector<Normalizer> make_normalizers(const FlatValue& value);

}  // namespace latentlink
