#include "tokenizers/added_tokens.h"

#include <algorithm>

#include "tokenizers/failure.h"
#include "tokenizers/steps.h"
#include "tokenizers/unicode.h"
#include "vocabulary/utf8.h"

namespace latentlink {

namespace {

bool begins_with_word(std::string_view text) { return !text.empty() && is_word(next_character(text)); }

// Take the last character off a text that is not empty.
char32_t last_character(std::string_view& text) {
    std::size_t begin = text.size() - 1;
    while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
    std::string_view last = text.substr(begin);
    text = text.substr(0, begin);
    return next_character(last);
}

bool ends_with_word(std::string_view text) { return !text.empty() && is_word(last_character(text)); }

// Where the spaces at the end begin.
std::size_t begin_of_spaces(std::string_view text) {
    while (!text.empty()) {
        const std::size_t size = text.size();
        if (!is_space(last_character(text))) return size;
    }
    return 0;
}

// Where the spaces at the beginning end.
std::size_t end_of_spaces(std::string_view text) {
    const std::size_t size = text.size();
    while (!text.empty()) {
        const std::size_t left = text.size();
        if (!is_space(next_character(text))) return size - left;
    }
    return size;
}

}  // namespace

AddedTokens::AddedTokens(const FlatValue& value, const TokenModel& model, std::span<const Normalizer> normalizers)
    : tokens_(tokens_of(value, model, normalizers)), as_given_(index_of(tokens_, false)),
      normalized_(index_of(tokens_, true)) {}

std::map<std::uint32_t, AddedTokens::Token> AddedTokens::tokens_of(const FlatValue& value, const TokenModel& model,
                                                                   std::span<const Normalizer> normalizers) {
    std::map<std::uint32_t, Token> tokens;
    std::map<std::string_view, std::uint32_t> ids;
    auto next = static_cast<std::uint32_t>(model.size());
    for (const auto& [_, record] : value) {
        const std::string_view content = record.find("content")->text();
        if (content.empty()) continue;
        const auto known = ids.find(content);
        auto id = known == ids.end() ? model.find(content) : known->second;
        if (!id) id = next++;
        ids[content] = *id;
        const bool normalized = flag_of(record, "normalized", false);
        AlignedText text(content);
        for (const Normalizer& normalize : normalizers) {
            if (normalized) normalize(text);
        }
        if (text.empty()) throw TokenizerError("an added token is normalized to nothing");
        tokens.insert_or_assign(*id, Token{.text = text.text(),
                                           .single_word = flag_of(record, "single_word", false),
                                           .lstrip = flag_of(record, "lstrip", false),
                                           .rstrip = flag_of(record, "rstrip", false),
                                           .normalized = normalized});
    }
    return tokens;
}

PrefixIndex AddedTokens::index_of(const std::map<std::uint32_t, Token>& tokens, bool normalized) {
    std::vector<PrefixIndex::Entry> entries;
    for (const auto& [id, token] : tokens) {
        if (token.normalized == normalized) entries.push_back({token.text, id});
    }
    return PrefixIndex(std::move(entries));
}

std::vector<TextPart> AddedTokens::parts(std::string_view text, std::span<const Normalizer> normalizers) const {
    std::vector<TextPart> given, made;
    add_parts(AlignedText(text), as_given_, given);
    for (TextPart& part : given) {
        if (part.id) {
            made.push_back(std::move(part));
            continue;
        }
        for (const Normalizer& normalize : normalizers) normalize(part.text);
        add_parts(part.text, normalized_, made);
    }
    return made;
}

// A token may take spaces from those before and after it that another one took already: their parts then overlap, as in
// the library.
std::vector<AddedTokens::Place> AddedTokens::places(std::string_view text, const PrefixIndex& index) const {
    std::vector<Place> places;
    std::size_t done = 0;
    for (std::size_t place = 0; place < text.size() && !index.empty();) {
        std::size_t length = 0;
        std::uint32_t id = 0;
        index.find(text.substr(place), [&](std::size_t found, std::uint32_t value) {
            length = found;
            id = value;
        });
        if (length == 0) {
            ++place;
            continue;
        }
        std::size_t begin = place, end = place + length;
        place = end;
        const Token& token = tokens_.at(id);
        const std::string_view before = text.substr(0, begin), after = text.substr(end);
        if (token.single_word && (ends_with_word(before) || begins_with_word(after))) continue;
        if (token.lstrip) begin = std::max(begin_of_spaces(before), done);
        if (token.rstrip) end += end_of_spaces(after);
        if (end < begin) throw TokenizerError("AddedVocabulary bad split");
        if (done < begin) places.push_back({done, begin, {}});
        places.push_back({begin, end, id});
        done = end;
    }
    if (done != text.size()) places.push_back({done, text.size(), {}});
    return places;
}

void AddedTokens::add_parts(const AlignedText& text, const PrefixIndex& index, std::vector<TextPart>& parts) const {
    for (const auto& [begin, end, id] : places(text.text(), index)) {
        if (begin < end) parts.push_back({text.slice(begin, end), id});
    }
}

}  // namespace latentlink
