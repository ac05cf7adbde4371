// The tokenizer of a bundle; whatever is wrong with it is a fault of the bundle.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizers/tokenizer.h"

namespace latentlink {

// Read a `tokenizer.json`, which is not trusted. `name` is what messages call it.
// Throws BundleError: it is not one that a bundle may have; MachineError: it cannot be read.
Tokenizer open_tokenizer(const std::filesystem::path& file, std::string_view name);

// The tokens of a text, without start and end.
// Throws UsageError: the text is no UTF-8; BundleError: the tokenizer fails.
std::vector<Token> encode(const Tokenizer& tokenizer, std::string_view text, std::string_view name);

}  // namespace latentlink
