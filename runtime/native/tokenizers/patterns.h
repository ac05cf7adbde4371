// The regular expressions that a tokenizer may use.
//
// A general engine backtracks, so that an expression can take hours on a short text. These are the ones that published
// tokenizers use, as tables of their alternatives; each is fast on every text of a prompt's length.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace latentlink {

// A part of a text, in bytes.
struct Match {
    std::size_t begin, end;
    bool found;  // whether the pattern matches it; other parts lie between the matches

    bool operator==(const Match&) const = default;
};

// Cuts UTF-8 text into its matches and what lies between them, from left to right; none of an empty text.
using FindMatches = std::function<std::vector<Match>(std::string_view)>;

// Whether a tokenizer may have the expression.
bool is_known_pattern(std::string_view expression);

// Finds a known expression.
FindMatches expression_matches(std::string_view expression);

// Finds a text, which is not empty.
FindMatches text_matches(std::string text);

}  // namespace latentlink
