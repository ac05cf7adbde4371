#include "tokenizers/unigram.h"

#include <algorithm>
#include <limits>

#include "tokenizers/steps.h"
#include "vocabulary/utf8.h"

namespace latentlink {

namespace {

constexpr double UNKNOWN_PENALTY = 10;  // below the lowest score

std::vector<PrefixIndex::Entry> pieces_of(const FlatValue& vocabulary) {
    std::vector<PrefixIndex::Entry> pieces;
    pieces.reserve(vocabulary.size());
    for (const auto& [_, pair] : vocabulary) {
        pieces.push_back({(*pair.begin()).value.text(), static_cast<std::uint32_t>(pieces.size())});
    }
    return pieces;
}

std::vector<double> scores_of(const FlatValue& vocabulary) {
    std::vector<double> scores;
    scores.reserve(vocabulary.size());
    for (const auto& [_, pair] : vocabulary) {
        const FlatValue score = (*++pair.begin()).value;
        const bool whole = score.is(FlatValue::Kind::integer);
        scores.push_back(whole ? static_cast<double>(score.integer()) : score.number());
    }
    return scores;
}

// The best division of a word's beginning.
struct Best {
    double score = 0;
    std::size_t begin = std::numeric_limits<std::size_t>::max();  // of its last piece; none has been found at first
    std::uint32_t id = 0;                                         // of its last piece

    void offer(double sum, std::size_t from, std::uint32_t piece) {
        if (begin == std::numeric_limits<std::size_t>::max() || sum > score) *this = {sum, from, piece};
    }
};

}  // namespace

Unigram::Unigram(const FlatValue& model)
    : pieces_(pieces_of(*model.find("vocab"))), scores_(scores_of(*model.find("vocab"))),
      unknown_score_(*std::ranges::min_element(scores_) - UNKNOWN_PENALTY),
      unknown_(static_cast<std::uint32_t>(model.find("unk_id")->integer())),
      falls_back_to_bytes_(flag_of(model, "byte_fallback", false)) {}

// The pieces of a word, those side by side that are unknown as one.
std::vector<std::string_view> Unigram::divided(std::string_view word) const {
    std::vector<Best> best(word.size() + 1);
    for (std::string_view rest = word; !rest.empty();) {
        const std::string_view here = rest;
        const std::size_t begin = word.size() - here.size();
        next_character(rest);
        const std::size_t letter = here.size() - rest.size();
        const double score = best[begin].score;
        bool known = false;  // whether the letter alone is a piece
        pieces_.find(here, [&](std::size_t length, std::uint32_t id) {
            best[begin + length].offer(scores_[id] + score, begin, id);
            known = known || length == letter;
        });
        if (!known) best[begin + letter].offer(unknown_score_ + score, begin, unknown_);
    }
    std::vector<std::string_view> pieces;
    bool joins = false;  // whether the piece after this one is unknown
    for (std::size_t end = word.size(); end > 0;) {
        const auto& [score, begin, id] = best[end];
        if (id == unknown_ && joins) {
            pieces.back() = word.substr(begin, end - begin + pieces.back().size());
        } else {
            pieces.push_back(word.substr(begin, end - begin));
        }
        joins = id == unknown_;
        end = begin;
    }
    std::ranges::reverse(pieces);
    return pieces;
}

// The bytes of an unknown piece as tokens; false if one of them is none.
bool Unigram::add_bytes(std::string_view piece, std::size_t begin, std::vector<WordToken>& tokens) const {
    std::vector<WordToken> bytes;
    for (const char c : piece) {
        std::string token = byte_token(static_cast<unsigned char>(c));
        const auto id = find(token);
        if (!id) return false;
        bytes.push_back({*id, std::move(token), begin});
    }
    tokens.insert(tokens.end(), bytes.begin(), bytes.end());
    return true;
}

std::vector<WordToken> Unigram::read(std::string_view word) const {
    std::vector<WordToken> tokens;
    std::size_t begin = 0;
    for (const std::string_view piece : divided(word)) {
        const auto id = find(piece);
        if (id || !falls_back_to_bytes_ || !add_bytes(piece, begin, tokens)) {
            tokens.push_back({id.value_or(unknown_), std::string(piece), begin});
        }
        begin += piece.size();
    }
    return tokens;
}

}  // namespace latentlink
