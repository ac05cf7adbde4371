// Read an untrusted `tokenizer.json`: limit, parse, validate, and hand on only what was validated.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "tokenizers/flat_json.h"
#include "tokenizers/models.h"

namespace latentlink {

inline constexpr std::size_t MAX_TOKENIZER_BYTES = 40u << 20;
inline constexpr std::size_t MAX_TOKENIZER_VALUES = 1u << 23;  // commas and brackets

// A `tokenizer.json` that was checked.
struct TokenizerRecord {
    FlatJson json;
    std::vector<Merge> merges;  // of byte-pair encoding, the most common first
};

// The parts of a `tokenizer.json` that make ids of a text: no step of it could take long, multiply a text, or lead out
// of a table. Start, end and padding are in the manifest. Throws TokenizerFormatError: it is too large, no JSON, or
// holds what a bundle's tokenizer may not have (docs/bundle-format.md).
TokenizerRecord read_tokenizer(std::string_view data);

}  // namespace latentlink
