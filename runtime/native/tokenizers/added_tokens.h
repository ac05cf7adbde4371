// Tokens that are found in a text before the model reads it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizers/aligned_text.h"
#include "tokenizers/flat_json.h"
#include "tokenizers/model.h"
#include "tokenizers/normalizers.h"
#include "tokenizers/prefix_index.h"

namespace latentlink {

// A part of a text, and the added token that it is.
struct TextPart {
    AlignedText text;
    std::optional<std::uint32_t> id = {};
};

class AddedTokens {
  public:
    // `value` was checked. A token has the model's id if it is one of its tokens, and else the next one after them.
    // Throws TokenizerError: nothing is left of a token once it is normalized.
    AddedTokens(const FlatValue& value, const TokenModel& model, std::span<const Normalizer> normalizers);

    // The parts of a text: added tokens, and between them text that the normalizers changed.
    // Throws TokenizerError: two tokens claim the same spaces.
    std::vector<TextPart> parts(std::string_view text, std::span<const Normalizer> normalizers) const;

  private:
    struct Token {
        std::string text;  // that is looked for; normalized if the token is
        bool single_word, lstrip, rstrip, normalized;
    };
    // A part of a text in bytes, and the token that it is.
    struct Place {
        std::size_t begin, end;
        std::optional<std::uint32_t> id;
    };

    static std::map<std::uint32_t, Token> tokens_of(const FlatValue& value, const TokenModel& model,
                                                    std::span<const Normalizer> normalizers);
    static PrefixIndex index_of(const std::map<std::uint32_t, Token>& tokens, bool normalized);

    std::vector<Place> places(std::string_view text, const PrefixIndex& index) const;
    void add_parts(const AlignedText& text, const PrefixIndex& index, std::vector<TextPart>& parts) const;

    std::map<std::uint32_t, Token> tokens_;  // by id
    PrefixIndex as_given_, normalized_;
};

}  // namespace latentlink
