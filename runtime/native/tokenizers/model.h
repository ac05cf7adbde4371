// What reads a word as tokens: byte-pair encoding, or a unigram model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizers/flat_json.h"
#include "tokenizers/models.h"

namespace latentlink {

// One token of a word.
struct WordToken {
    std::uint32_t id;
    std::string text;
    std::size_t begin;  // in bytes of the word
};

class TokenModel {
  public:
    virtual ~TokenModel() = default;

    // The tokens of a word, which is not empty.
    virtual std::vector<WordToken> read(std::string_view word) const = 0;

    // The id of a token of the vocabulary.
    virtual std::optional<std::uint32_t> find(std::string_view token) const = 0;

    // Tokens of the vocabulary.
    virtual std::size_t size() const = 0;
};

// The model of a `tokenizer.json` that was checked, whose document outlives it.
// Throws TokenizerError: its merges are not all written in the same way.
std::unique_ptr<const TokenModel> make_model(const FlatValue& model, const std::vector<Merge>& merges);

// The token of a byte where a letter is unknown: `<0x0A>`.
std::string byte_token(unsigned char byte);

}  // namespace latentlink
