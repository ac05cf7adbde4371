// From prompts to token ids, with the bundle's tokenizer.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bundle/tokenizer_entry.h"
#include "tokenizers/tokenizer.h"
#include "vocabulary/array.h"
#include "vocabulary/errors.h"

namespace latentlink {

// Token ids of P prompts, in K pieces each of L tokens: start, the prompt's tokens, end, padding.
struct Tokens {
    Array ids;      // int32 `[P, K, L]`
    Array weights;  // float32 `[P, K, L]`, 1 where the prompt has no weight
};

// The tokenizer of one text encoder, which threads may share. Copies share what was read.
class Prompts {
  public:
    // `file` is a `tokenizer.json`, and `entry` its entry in the manifest.
    // Throws BundleError: it is no tokenizer that a bundle may have; MachineError: it cannot be read.
    Prompts(const std::filesystem::path& file, TokenizerEntry entry);

    // Whether long prompts are read in pieces, and weights in prompts have an effect.
    bool chunks() const { return entry_.overflow == Overflow::chunk; }

    // Pieces that the longest of these prompts needs; 1 if prompts are not read in pieces.
    // Throws UsageError: a prompt is no UTF-8, or has a weight out of range; BundleError: the tokenizer fails.
    int pieces(std::span<const std::string> prompts) const;

    // Token ids of every prompt in so many pieces; pieces beyond a prompt's end are empty.
    // Throws UsageError: a prompt is longer than the encoder reads, or as above; BundleError: the tokenizer fails.
    Tokens tokens(std::span<const std::string> prompts, int pieces = 1) const;

  private:
    using Weighted = std::pair<std::uint32_t, double>;  // a token's id, and its weight

    std::vector<Weighted> read(const std::string& prompt) const;  // without start and end
    std::string written_out(std::string text) const;              // with textual inversions, vector by vector
    std::vector<Token> encode(std::string_view text) const;
    UsageError too_long(const std::string& prompt, std::size_t count) const;

    std::shared_ptr<const Tokenizer> tokenizer_;
    TokenizerEntry entry_;
    std::size_t room_;  // tokens of a piece, without start and end
};

}  // namespace latentlink
