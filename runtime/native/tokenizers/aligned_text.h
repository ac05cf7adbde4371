// A text that is changed step by step, and that remembers where in the original each of its bytes comes from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizers/patterns.h"

namespace latentlink {

// One character of a changed text: `change` is 1 if it is new, 0 if it takes the place of the next character, and -n if
// it does and the n characters after that are dropped.
struct TextChange {
    char32_t character;
    int change;
};

// What is done with the matches of a pattern where a text is split.
enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

class AlignedText {
  public:
    // A whole text, which is UTF-8.
    explicit AlignedText(std::string_view original);

    const std::string& text() const { return text_; }
    bool empty() const { return text_.empty(); }
    std::u32string characters() const;

    // The byte of the original where this part of it begins.
    std::size_t begin() const { return begin_; }

    // The byte of the original that a byte of this text comes from.
    std::size_t origin(std::size_t byte) const;

    // The part between two bytes, which begin characters.
    AlignedText slice(std::size_t begin, std::size_t end) const;

    // The parts between and at the matches, without empty ones.
    std::vector<AlignedText> split(std::vector<Match> matches, SplitBehavior behavior) const;

    // Take the characters of `changes`, after so many that are dropped at the beginning.
    void transform(std::span<const TextChange> changes, std::size_t dropped = 0);

    // Put a text before this one, unless this one is empty.
    void prepend(std::string_view text);

    // Put a text in the place of each match.
    void replace(std::span<const Match> matches, std::string_view content);

  private:
    // The bytes of the original, from the first to after the last, that a byte stands for.
    struct Origin {
        std::uint32_t begin, end;
    };

    AlignedText() = default;

    std::string text_ = {};
    std::vector<Origin> origins_ = {};  // by byte
    std::size_t begin_ = 0;
};

}  // namespace latentlink
