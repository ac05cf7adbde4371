#include "text/inversions.h"

#include <string_view>

#include "vocabulary/errors.h"
#include "vocabulary/texts.h"
#include "vocabulary/utf8.h"

namespace latentlink {

namespace {

// Number of times that a word occurs in a text, from left to right.
std::size_t occurrences(std::string_view text, std::string_view word) {
    std::size_t count = 0;
    for (std::size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + word.size()))
        ++count;
    return count;
}

std::string replaced(std::string_view text, std::string_view word, std::string_view by) {
    std::string made;
    std::size_t done = 0;
    for (std::size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, done)) {
        made.append(text.substr(done, at - done)).append(by);
        done = at + word.size();
    }
    return made.append(text.substr(done));
}

}  // namespace

std::string expanded(std::string text, const std::set<std::string, std::less<>>& tokens,
                     const std::map<std::string, std::int64_t, std::less<>>& vectors) {
    for (const auto& [word, count] : vectors) {
        if (!tokens.contains(word)) continue;
        std::string names = word;
        for (std::int64_t number = 1; number < count; ++number) names += " " + word + "_" + std::to_string(number);
        const std::size_t length =
            character_count(text) + occurrences(text, word) * (character_count(names) - character_count(word));
        if (length > MAX_EXPANDED_TEXT) {
            throw UsageError("The prompt has " + std::to_string(length) + " characters once " + repr(word) +
                                 " is written as its " + std::to_string(count) + " vectors; expected at most " +
                                 std::to_string(MAX_EXPANDED_TEXT) + ".",
                             "Name it less often.");
        }
        text = replaced(text, word, names);
    }
    return text;
}

}  // namespace latentlink
