#include "tokenizers/bpe.h"

#include <algorithm>
#include <queue>
#include <tuple>

#include "tokenizers/failure.h"
#include "tokenizers/steps.h"
#include "vocabulary/utf8.h"

namespace latentlink {

namespace {

using Kind = FlatValue::Kind;

// A pair that may be joined: the lowest rank comes first, and of equal ones the leftmost.
struct Joint {
    std::uint32_t rank;
    std::size_t place;
    std::uint32_t made;

    bool operator>(const Joint& other) const { return std::tie(rank, place) > std::tie(other.rank, other.place); }
};

std::string text_field(const FlatValue& model, std::string_view key) {
    const auto found = model.find(key);
    return found && found->is(Kind::text) ? std::string(found->text()) : "";
}

void check_form(const FlatValue& merges) {
    std::size_t texts = 0;
    for (const auto& [_, merge] : merges) texts += merge.is(Kind::text);
    if (texts != 0 && texts != merges.size()) {
        throw TokenizerError("data did not match any variant of untagged enum MergeType");
    }
}

}  // namespace

Bpe::Bpe(const FlatValue& model, const std::vector<Merge>& merges)
    : vocabulary_(*model.find("vocab")), end_of_word_(text_field(model, "end_of_word_suffix")),
      fuses_unknown_(flag_of(model, "fuse_unk", false)), falls_back_to_bytes_(flag_of(model, "byte_fallback", false)),
      ignores_merges_(flag_of(model, "ignore_merges", false)) {
    check_form(*model.find("merges"));
    tokens_.reserve(vocabulary_.size());
    for (const auto& [token, id] : vocabulary_) tokens_.emplace_back(static_cast<std::uint32_t>(id.integer()), token);
    if (!std::ranges::is_sorted(tokens_)) std::ranges::sort(tokens_);
    rules_.reserve(merges.size());
    std::uint32_t rank = 0;
    for (const auto& [first, second, made] : merges) rules_.insert_or_assign({first, second}, Rule{rank++, made});
    if (const auto unknown = model.find("unk_token"); unknown && unknown->is(Kind::text)) {
        unknown_ = find(unknown->text());
    }
}

std::optional<std::uint32_t> Bpe::find(std::string_view token) const {
    const auto found = vocabulary_.find(token);
    return found ? std::optional(static_cast<std::uint32_t>(found->integer())) : std::nullopt;
}

const Bpe::Rule* Bpe::rule(std::uint32_t first, std::uint32_t second) const {
    const auto found = rules_.find({first, second});
    return found == rules_.end() ? nullptr : &found->second;
}

std::string_view Bpe::text_of(std::uint32_t id) const {
    return std::ranges::lower_bound(tokens_, id, {}, [](const auto& token) { return token.first; })->second;
}

std::vector<WordToken> Bpe::read(std::string_view word) const {
    if (ignores_merges_) {
        if (const auto id = find(word)) return {{*id, std::string(word), 0}};
    }
    std::vector<Symbol> symbols = letters(word);
    join(symbols);
    std::vector<WordToken> made;
    std::size_t begin = 0;
    for (const Symbol& symbol : symbols) {
        if (symbol.length == 0) continue;
        made.push_back({symbol.id, std::string(text_of(symbol.id)), begin});
        begin += symbol.length;
    }
    return made;
}

// The bytes of an unknown letter as tokens; false if one of them is none.
bool Bpe::add_bytes(std::string_view letter, std::vector<Symbol>& symbols) const {
    std::vector<Symbol> bytes;
    for (const char c : letter) {
        const auto id = find(byte_token(static_cast<unsigned char>(c)));
        if (!id) return false;
        bytes.push_back({*id, 0, 0, 1});
    }
    symbols.insert(symbols.end(), bytes.begin(), bytes.end());
    return true;
}

std::vector<Bpe::Symbol> Bpe::letters(std::string_view word) const {
    std::vector<Symbol> symbols;
    std::size_t unknown = 0;  // bytes of unknown letters that were not added yet
    const auto add_unknown = [&] {
        if (unknown > 0) symbols.push_back({*unknown_, 0, 0, std::exchange(unknown, 0)});
    };
    for (std::string_view rest = word; !rest.empty();) {
        const std::string_view before = rest;
        next_character(rest);
        const std::size_t length = before.size() - rest.size();
        std::string letter(before.substr(0, length));
        if (rest.empty()) letter += end_of_word_;
        if (const auto id = find(letter)) {
            add_unknown();
            symbols.push_back({*id, 0, 0, length});
        } else if (falls_back_to_bytes_ && add_bytes(letter, symbols)) {
            continue;  // unknown letters before these bytes come after them, as in the library
        } else if (unknown_) {
            if (!fuses_unknown_) add_unknown();
            unknown += length;
        }
    }
    add_unknown();
    const auto count = static_cast<std::int64_t>(symbols.size());
    for (std::int64_t i = 0; i < count; ++i) {
        symbols[static_cast<std::size_t>(i)].previous = i - 1;
        symbols[static_cast<std::size_t>(i)].next = i + 1 < count ? i + 1 : -1;
    }
    return symbols;
}

void Bpe::join(std::vector<Symbol>& symbols) const {
    std::priority_queue<Joint, std::vector<Joint>, std::greater<>> joints;
    const auto add = [&](std::int64_t left, std::int64_t right) {
        if (left < 0 || right < 0) return;
        const auto place = static_cast<std::size_t>(left);
        if (const Rule* found = rule(symbols[place].id, symbols[static_cast<std::size_t>(right)].id)) {
            joints.push({found->rank, place, found->made});
        }
    };
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) add(static_cast<std::int64_t>(i), symbols[i].next);
    while (!joints.empty()) {
        const Joint joint = joints.top();
        joints.pop();
        Symbol& left = symbols[joint.place];
        if (left.length == 0 || left.next < 0) continue;
        Symbol& right = symbols[static_cast<std::size_t>(left.next)];
        const Rule* found = rule(left.id, right.id);
        if (found == nullptr || found->made != joint.made) continue;  // they were joined to others since
        left.id = joint.made;
        left.length += std::exchange(right.length, 0);
        left.next = right.next;
        const auto place = static_cast<std::int64_t>(joint.place);
        if (left.next >= 0) symbols[static_cast<std::size_t>(left.next)].previous = place;
        add(left.previous, place);
        add(place, left.next);
    }
}

}  // namespace latentlink
