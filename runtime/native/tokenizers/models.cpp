#include "tokenizers/models.h"

#include <array>
#include <cmath>
#include <optional>
#include <string_view>
#include <utility>

#include "tokenizers/fields.h"
#include "vocabulary/texts.h"
#include "vocabulary/utf8.h"

namespace latentlink {

namespace {

using Kind = FlatValue::Kind;

void check_total(std::string_view where, std::size_t total, std::size_t most) {
    if (total > most) {
        throw TokenizerFormatError(where, "received " + std::to_string(total) +
                                              " characters in all, expected at most " + std::to_string(most));
    }
}

// Ids by token.
void check_ids(const std::string& where, const FlatValue& value) {
    if (!value.is(Kind::object) || value.size() < 1 || value.size() > MAX_TOKENS) {
        throw unexpected(where, value, "an object of 1 to " + std::to_string(MAX_TOKENS) + " tokens");
    }
    std::size_t total = 0;
    for (const auto& [token, id] : value) {
        const std::size_t count = character_count(token);
        if (!id.is(Kind::integer) || id.integer() < 0 || id.integer() > MAX_TOKEN_ID || count > MAX_TOKEN) {
            throw unexpected(where, value,
                             "tokens of at most " + std::to_string(MAX_TOKEN) + " characters with ids from 0 to " +
                                 std::to_string(MAX_TOKEN_ID));
        }
        total += count;
    }
    check_total(where, total, MAX_CHARACTERS);
}

// Pairs of a token and its score.
void check_scores(const std::string& where, const FlatValue& value) {
    check_items(where, value, MAX_TOKENS);
    const auto fits = [](const FlatValue& pair) {
        if (!pair.is(Kind::list) || pair.size() != 2) return false;
        auto part = pair.begin();
        const FlatValue token = (*part).value, score = (*++part).value;
        if (!token.is(Kind::text)) return false;
        const std::size_t count = character_count(token.text());
        const bool small = score.is(Kind::integer)  ? std::abs(static_cast<double>(score.integer())) <= MAX_SCORE
                           : score.is(Kind::number) ? std::abs(score.number()) <= MAX_SCORE
                                                    : false;
        return small && 1 <= count && count <= MAX_TOKEN;
    };
    std::size_t total = 0;
    for (const auto& [_, pair] : value) {
        if (!fits(pair)) {
            throw unexpected(where, pair,
                             "[token of 1 to " + std::to_string(MAX_TOKEN) + " characters, score within ±" +
                                 general(MAX_SCORE) + "]");
        }
        total += character_count((*pair.begin()).value.text());
    }
    check_total(where, total, MAX_PIECES);
}

// The two tokens of a merge: two texts, or one with a space; none if it is neither.
std::optional<std::pair<std::string_view, std::string_view>> pair_of(const FlatValue& merge) {
    if (merge.is(Kind::text)) {
        const std::string_view text = merge.text();
        const std::size_t space = text.find(' ');
        if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) return std::nullopt;
        return std::pair(text.substr(0, space), text.substr(space + 1));
    }
    if (!merge.is(Kind::list) || merge.size() != 2) return std::nullopt;
    auto part = merge.begin();
    const FlatValue first = (*part).value, second = (*++part).value;
    if (!first.is(Kind::text) || !second.is(Kind::text)) return std::nullopt;
    return std::pair(first.text(), second.text());
}

// Pairs of tokens, each with the token that it makes.
std::vector<Merge> read_merges(const std::string& where, const FlatValue& merges, const FlatValue& vocabulary) {
    const auto id_of = [&](std::string_view token) -> std::optional<std::uint32_t> {
        const auto found = vocabulary.find(token);
        return found ? std::optional(static_cast<std::uint32_t>(found->integer())) : std::nullopt;
    };
    std::vector<Merge> made;
    made.reserve(merges.size());
    std::string both;
    for (const auto& [_, merge] : merges) {
        if (const auto pair = pair_of(merge)) {
            both.assign(pair->first).append(pair->second);
            const auto first = id_of(pair->first), second = id_of(pair->second), third = id_of(both);
            if (first && second && third) {
                // the first line of a `merges.txt`, which may have come along
                const bool title = merge.is(Kind::text) && merge.text().starts_with("#version");
                if (!title) made.push_back({*first, *second, *third});
                continue;
            }
        }
        throw unexpected(where, merge, "pairs of tokens that make a third one");
    }
    return made;
}

struct ModelKind {
    std::string_view name;
    std::vector<TokenizerField> fields;
};

// Fields by kind. `dropout` would draw lots.
const std::array<ModelKind, 2>& models() {
    static const std::array<ModelKind, 2> known = {
        ModelKind{"BPE",
                  {{"type", one_of({"BPE"})},
                   {"vocab", check_ids},
                   {"merges", [](const auto& where, const auto& value) { check_items(where, value, MAX_MERGES); }},
                   {"dropout", one_of({nullptr}), false},
                   {"unk_token", optional(text_of(0, MAX_TOKEN)), false},
                   {"continuing_subword_prefix", one_of({nullptr, ""}), false},
                   {"end_of_word_suffix", optional(text_of(0, 16)), false},
                   {"fuse_unk", flag(), false},
                   {"byte_fallback", flag(), false},
                   {"ignore_merges", flag(), false}}},
        ModelKind{"Unigram",
                  {{"type", one_of({"Unigram"})},
                   {"vocab", check_scores},
                   {"unk_id", whole_number(MAX_TOKENS)},
                   {"byte_fallback", flag(), false}}}};
    return known;
}

void check_unknown(const std::string& where, const FlatValue& model) {
    const FlatValue vocabulary = *model.find("vocab");
    if (const auto unknown = model.find("unk_token"); unknown && !unknown->is_null()) {
        if (!vocabulary.find(unknown->text())) {
            throw unexpected(where + ".unk_token", *unknown, "a token of the vocabulary");
        }
    }
    if (const auto unknown = model.find("unk_id")) {
        if (static_cast<std::size_t>(unknown->integer()) >= vocabulary.size()) {
            throw unexpected(where + ".unk_id", *unknown,
                             "below " + std::to_string(vocabulary.size()) + ", the number of tokens");
        }
    }
}

}  // namespace

std::vector<Merge> check_model(const std::string& where, const FlatValue& value) {
    const auto type = value.is(Kind::object) ? value.find("type") : std::nullopt;
    for (const auto& [name, fields] : models()) {
        if (!type || !type->is(Kind::text) || type->text() != name) continue;
        check_fields(where, value, fields);
        check_unknown(where, value);
        const auto merges = value.find("merges");
        return merges ? read_merges(where + ".merges", *merges, *value.find("vocab")) : std::vector<Merge>();
    }
    throw TokenizerFormatError(where + ".type",
                               "received " + (type ? short_repr(*type) : "None") + ", expected one of BPE, Unigram");
}

void check_added(const std::string& where, const FlatValue& value) {
    static const std::array<TokenizerField, 7> fields = {{{"id", whole_number(MAX_TOKEN_ID)},
                                                          {"content", text_of(0, MAX_TOKEN)},
                                                          {"single_word", flag()},
                                                          {"lstrip", flag()},
                                                          {"rstrip", flag()},
                                                          {"normalized", flag()},
                                                          {"special", flag()}}};
    check_items(where, value, MAX_ADDED);
    std::size_t number = 0, total = 0;
    for (const auto& [_, token] : value) {
        check_fields(where + "[" + std::to_string(number++) + "]", token, fields);
        total += character_count(token.find("content")->text());
    }
    check_total(where, total, MAX_ADDED_CHARACTERS);
}

}  // namespace latentlink
