// The vocabularies that a tokenizer may have: byte-pair encoding and unigram, and the tokens added to them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tokenizers/flat_json.h"

namespace latentlink {

inline constexpr std::int64_t MAX_TOKEN_ID = (std::int64_t{1} << 31) - 1;
inline constexpr std::size_t MAX_TOKENS = 1u << 20;
inline constexpr std::size_t MAX_MERGES = 1u << 20;
inline constexpr std::size_t MAX_ADDED = 1u << 16;
inline constexpr std::size_t MAX_TOKEN = 1024;                 // characters of a token
inline constexpr std::size_t MAX_CHARACTERS = 1u << 24;        // of all tokens together
inline constexpr std::size_t MAX_ADDED_CHARACTERS = 1u << 20;  // of the added tokens together
inline constexpr std::size_t MAX_PIECES = 1u << 21;            // characters of a unigram vocabulary together
inline constexpr double MAX_SCORE = 1e6;

// Two tokens that are read as a third one, by their ids.
struct Merge {
    std::uint32_t first, second, made;
};

// Check a model: byte-pair encoding or unigram. Returns the merges of the former.
// Throws TokenizerFormatError: it is something else.
std::vector<Merge> check_model(const std::string& where, const FlatValue& value);

// Check the tokens that are found in a text before the model reads it.
// Throws TokenizerFormatError: it is something else.
void check_added(const std::string& where, const FlatValue& value);

}  // namespace latentlink
