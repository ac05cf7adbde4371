// SentencePiece's table of characters and their replacements.
//
// A table is the size of a trie in bytes (uint32, little-endian), the trie (a double array of uint32 units, as in
// darts-clone), and the replacements: UTF-8 texts that each end with a NUL. A value in the trie is the place of its
// replacement. A table is checked when it is read, so that it can be followed for every text without looking at bounds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace latentlink {

// Most characters in the place of one; the published tables have 18 at most.
inline constexpr std::size_t MAX_REPLACEMENT = 64;

class Charsmap {
  public:
    // What is wrong with a table in base64; empty if it is one.
    static std::string problem_of(std::string_view base64);

    // A table without a problem.
    explicit Charsmap(std::string_view base64);

    // What stands for the shortest beginning of a text that is in the table; none if it has none.
    std::optional<std::string_view> find(std::string_view text) const;

  private:
    Charsmap() = default;

    std::string read(std::string_view base64);  // returns the problem
    bool leads_out() const;

    std::vector<std::uint32_t> units_ = {};
    std::string replacements_ = {};
};

}  // namespace latentlink
