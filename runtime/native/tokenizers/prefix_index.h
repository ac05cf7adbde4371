// Texts of which those are found that a text begins with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace latentlink {

// A sorted list, in which each further letter narrows the part that has the same beginning.
class PrefixIndex {
  public:
    struct Entry {
        std::string_view text;
        std::uint32_t value;
    };

    // The texts outlive it, and are not empty. Of equal texts, the last value counts.
    explicit PrefixIndex(std::vector<Entry> entries);

    bool empty() const { return entries_.empty(); }

    // Call `found(length, value)` for every one that the text begins with, the shortest first.
    template <typename Found>
    void find(std::string_view text, Found found) const {
        auto [begin, end] = first_letters_of(text);
        for (std::size_t length = 1; begin < end; ++length) {
            if (entries_[begin].text.size() == length) found(length, entries_[begin++].value);
            if (length == text.size()) return;
            std::tie(begin, end) = narrowed(begin, end, length, text[length]);
        }
    }

    // The value of exactly this text.
    std::optional<std::uint32_t> find_whole(std::string_view text) const;

  private:
    using Range = std::pair<std::size_t, std::size_t>;

    Range first_letters_of(std::string_view text) const;

    // The part whose texts have this letter at a place.
    Range narrowed(std::size_t begin, std::size_t end, std::size_t place, char letter) const;

    std::vector<Entry> entries_;
    std::vector<std::size_t> starts_;  // of the texts by their first byte
};

}  // namespace latentlink
