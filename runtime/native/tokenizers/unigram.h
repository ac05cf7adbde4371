// A unigram model: of all ways to divide a word into pieces, the one whose scores have the largest sum.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "tokenizers/model.h"
#include "tokenizers/prefix_index.h"

namespace latentlink {

class Unigram final : public TokenModel {
  public:
    explicit Unigram(const FlatValue& model);

    std::vector<WordToken> read(std::string_view word) const override;
    std::optional<std::uint32_t> find(std::string_view token) const override { return pieces_.find_whole(token); }
    std::size_t size() const override { return scores_.size(); }

  private:
    std::vector<std::string_view> divided(std::string_view word) const;
    bool add_bytes(std::string_view piece, std::size_t begin, std::vector<WordToken>& tokens) const;

    PrefixIndex pieces_;
    std::vector<double> scores_;  // by id
    double unknown_score_;
    std::uint32_t unknown_;
    bool falls_back_to_bytes_;
};

}  // namespace latentlink
