// Textual inversions of several vectors: one word of the prompt that is read as several tokens.
//
// The rule is diffusers' (`TextualInversionLoaderMixin.maybe_convert_prompt`): a word that the tokenizer finds as a
// token is replaced in the text wherever its exact letters occur.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>

namespace latentlink {

// Most characters of a prompt whose words are written out: ten times the longest prompt.
inline constexpr std::size_t MAX_EXPANDED_TEXT = 200'000;

// A text, a prompt or a part of one, with the names of all vectors in the place of each word: `X` of three vectors
// becomes `X X_1 X_2`. `tokens` are those of the text; `vectors` is the number of vectors by word, and the order in
// which words are replaced.
// Throws UsageError: the result would be longer than MAX_EXPANDED_TEXT, as a word may occur in what another one stands
// for.
std::string expanded(std::string text, const std::set<std::string, std::less<>>& tokens,
                     const std::map<std::string, std::int64_t, std::less<>>& vectors);

}  // namespace latentlink
