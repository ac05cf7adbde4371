#include "vocabulary/close_match.h"

#include <map>
#include <utility>
#include <vector>

#include "vocabulary/texts.h"

namespace latentlink {

namespace {

constexpr std::size_t LONG_WORD = 200;  // from here on difflib leaves out characters that occur often

struct Block {
    std::size_t a, b, size;
};

// Python's `difflib.SequenceMatcher` for one word and many options (Ratcliff and Obershelp 1988).
class Matcher {
  public:
    explicit Matcher(std::u32string word) : word_(std::move(word)) {
        for (std::size_t j = 0; j < word_.size(); ++j) places_[word_[j]].push_back(j);
        if (word_.size() >= LONG_WORD) {
            const std::size_t often = word_.size() / 100 + 1;
            std::erase_if(places_, [often](const auto& entry) { return entry.second.size() > often; });
        }
    }

    // 0 (nothing in common) to 1 (equal).
    double ratio(const std::u32string& option) const {
        const std::size_t length = option.size() + word_.size();
        if (length == 0) return 1;
        return 2.0 * static_cast<double>(common(option, 0, option.size(), 0, word_.size())) /
               static_cast<double>(length);
    }

  private:
    // Characters in the longest common block and, again, on each side of it.
    std::size_t common(const std::u32string& a, std::size_t a_low, std::size_t a_high, std::size_t b_low,
                       std::size_t b_high) const {
        const Block block = longest(a, a_low, a_high, b_low, b_high);
        if (block.size == 0) return 0;
        return block.size + common(a, a_low, block.a, b_low, block.b) +
               common(a, block.a + block.size, a_high, block.b + block.size, b_high);
    }

    Block longest(const std::u32string& a, std::size_t a_low, std::size_t a_high, std::size_t b_low,
                  std::size_t b_high) const {
        Block best{a_low, b_low, 0};
        std::map<std::size_t, std::size_t> lengths;  // by place in the word, of the block that ends there
        for (std::size_t i = a_low; i < a_high; ++i) {
            std::map<std::size_t, std::size_t> next;
            const auto found = places_.find(a[i]);
            if (found != places_.end()) {
                for (const std::size_t j : found->second) {
                    if (j < b_low || j >= b_high) continue;
                    const auto before = j == 0 ? lengths.end() : lengths.find(j - 1);
                    const std::size_t size = (before == lengths.end() ? 0 : before->second) + 1;
                    next[j] = size;
                    if (size > best.size) best = {i + 1 - size, j + 1 - size, size};
                }
            }
            lengths = std::move(next);
        }
        while (best.a > a_low && best.b > b_low && a[best.a - 1] == word_[best.b - 1]) {
            best = {best.a - 1, best.b - 1, best.size + 1};
        }
        while (best.a + best.size < a_high && best.b + best.size < b_high &&
               a[best.a + best.size] == word_[best.b + best.size]) {
            ++best.size;
        }
        return best;
    }

    std::u32string word_;
    std::map<char32_t, std::vector<std::size_t>> places_;
};

}  // namespace

std::optional<std::string> close_match(std::string_view word, std::span<const std::string_view> options,
                                       double cutoff) {
    const Matcher matcher(characters(word));
    std::optional<std::pair<double, std::string_view>> best;
    for (const std::string_view option : options) {
        const std::pair<double, std::string_view> one{matcher.ratio(characters(option)), option};
        if (one.first >= cutoff && (!best || one > *best)) best = one;
    }
    if (!best) return std::nullopt;
    return std::string(best->second);
}

}  // namespace latentlink
