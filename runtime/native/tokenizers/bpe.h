// Byte-pair encoding: a word is its letters, of which pairs are joined, the most common pair first.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tokenizers/keyed_hash.h"
#include "tokenizers/model.h"

namespace latentlink {

class Bpe final : public TokenModel {
  public:
    // Throws TokenizerError: its merges are not all written in the same way.
    Bpe(const FlatValue& model, const std::vector<Merge>& merges);

    std::vector<WordToken> read(std::string_view word) const override;
    std::optional<std::uint32_t> find(std::string_view token) const override;
    std::size_t size() const override { return vocabulary_.size(); }

  private:
    // One token of a word that is being read.
    struct Symbol {
        std::uint32_t id;
        std::int64_t previous, next;  // symbols beside it; -1 where there are none
        std::size_t length;           // bytes of the word; 0 once it was joined to the one before
    };
    struct Rule {
        std::uint32_t rank, made;
    };
    using Pair = std::pair<std::uint32_t, std::uint32_t>;

    std::vector<Symbol> letters(std::string_view word) const;
    void join(std::vector<Symbol>& symbols) const;
    bool add_bytes(std::string_view letter, std::vector<Symbol>& symbols) const;
    const Rule* rule(std::uint32_t first, std::uint32_t second) const;
    std::string_view text_of(std::uint32_t id) const;

    FlatValue vocabulary_;
    std::vector<std::pair<std::uint32_t, std::string_view>> tokens_;  // by id
    std::unordered_map<Pair, Rule, KeyedHash> rules_;
    std::optional<std::uint32_t> unknown_;
    std::string end_of_word_;
    bool fuses_unknown_, falls_back_to_bytes_, ignores_merges_;
};

}  // namespace latentlink
