#include "tokenizers/kinds.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <vector>

#include "tokenizers/charsmap.h"
#include "tokenizers/fields.h"
#include "tokenizers/patterns.h"
#include "vocabulary/utf8.h"

namespace latentlink {

namespace {

using Kind = FlatValue::Kind;

// A step, with its fields beside `type`.
struct StepKind {
    std::string_view name;
    std::vector<TokenizerField> fields;
};

// Kinds of which a tokenizer may have several.
constexpr std::array<std::string_view, 2> REPEATED = {"Replace", "Split"};

// Kinds that replace a character by several; a tokenizer has one of them at most.
constexpr std::array<std::string_view, 5> UNICODE = {"NFC", "NFD", "NFKC", "NFKD", "Precompiled"};

template <std::size_t N>
bool is_in(const std::array<std::string_view, N>& names, std::string_view name) {
    return std::ranges::find(names, name) != names.end();
}

// `{"String": text}`, or `{"Regex": expression}` with a known one.
void check_pattern(const std::string& where, const FlatValue& value) {
    const auto member = [&](std::string_view key) { return value.is(Kind::object) ? value.find(key) : std::nullopt; };
    const auto text = member("String"), expression = member("Regex");
    if ((!text && !expression) || value.size() != 1) throw unexpected(where, value, "String or Regex");
    if (text) return text_of(1, MAX_PATTERN)(where + ".String", *text);
    if (!expression->is(Kind::text) || !is_known_pattern(expression->text())) {
        throw unexpected(where + ".Regex", *expression, "one of the expressions of published tokenizers");
    }
}

void check_charsmap(const std::string& where, const FlatValue& value) {
    if (!value.is(Kind::text)) throw unexpected(where, value, "text");
    if (const std::string problem = Charsmap::problem_of(value.text()); !problem.empty()) {
        throw TokenizerFormatError(where, problem);
    }
}

const std::vector<StepKind>& normalizers() {
    static const std::vector<StepKind> known = {
        {"NFC", {}},
        {"NFD", {}},
        {"NFKC", {}},
        {"NFKD", {}},
        {"Lowercase", {}},
        {"Precompiled", {{"precompiled_charsmap", check_charsmap}}},
        {"Prepend", {{"prepend", text_of(1, 1)}}},
        {"Replace", {{"pattern", check_pattern}, {"content", text_of(0, MAX_PATTERN)}}},
        {"Strip", {{"strip_left", flag()}, {"strip_right", flag()}}},
    };
    return known;
}

const std::vector<StepKind>& pre_tokenizers() {
    static const std::vector<StepKind> known = {
        {"ByteLevel",
         {{"add_prefix_space", flag(), false}, {"trim_offsets", flag(), false}, {"use_regex", flag(), false}}},
        {"Metaspace",
         {{"replacement", text_of(1, 1)},
          {"prepend_scheme", one_of({"always", "never", "first"}), false},
          {"split", flag(), false},
          {"add_prefix_space", flag(), false},
          {"str_rep", text_of(1, 1), false}}},
        {"Split",
         {{"pattern", check_pattern},
          {"behavior", one_of({"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"})},
          {"invert", flag()}}},
        {"WhitespaceSplit", {}},
    };
    return known;
}

std::string names_of(std::span<const StepKind> kinds) {
    std::string names;
    for (const StepKind& kind : kinds) names += (names.empty() ? "" : ", ") + std::string(kind.name);
    return names;
}

const StepKind& kind_of(const std::string& where, const FlatValue& step, std::span<const StepKind> kinds) {
    const auto type = step.is(Kind::object) ? step.find("type") : std::nullopt;
    const std::string_view name = type && type->is(Kind::text) ? type->text() : "";
    const auto kind = std::ranges::find(kinds, name, &StepKind::name);
    if (kind != kinds.end()) return *kind;
    const std::string received = !step.is(Kind::object) ? short_repr(step) : type ? short_repr(*type) : "None";
    throw TokenizerFormatError(where + ".type", "received " + received + ", expected one of " + names_of(kinds));
}

void check_step(const std::string& where, const FlatValue& step, const StepKind& kind) {
    std::vector<TokenizerField> fields = {{"type", one_of({std::string(kind.name)})}};
    fields.insert(fields.end(), kind.fields.begin(), kind.fields.end());
    check_fields(where + " " + std::string(kind.name), step, fields);
}

// The steps of a list or a single one, each checked.
std::vector<FlatValue> checked_steps(const std::string& where, const FlatValue& value, std::string_view listed,
                                     std::span<const StepKind> kinds) {
    if (value.is_null()) return {};
    std::vector<FlatValue> steps = {value};
    const auto type = value.is(Kind::object) ? value.find("type") : std::nullopt;
    if (type && type->is(Kind::text) && type->text() == "Sequence") {
        const std::array<TokenizerField, 2> fields = {
            {{"type", one_of({"Sequence"})}, {listed, [](const auto&, const auto&) {}}}};
        check_fields(where, value, fields);
        const FlatValue list = *value.find(listed);
        check_items(where + "." + std::string(listed), list, MAX_STEPS);
        steps.clear();
        for (const auto& [_, step] : list) steps.push_back(step);
    }
    std::vector<std::string_view> seen;
    for (const FlatValue& step : steps) {
        const StepKind& kind = kind_of(where, step, kinds);
        if (std::ranges::find(seen, kind.name) != seen.end() && !is_in(REPEATED, kind.name)) {
            throw TokenizerFormatError(where, "received " + std::string(kind.name) + " twice, expected it once");
        }
        seen.push_back(kind.name);
        check_step(where, step, kind);
    }
    return steps;
}

}  // namespace

void check_normalizer(const std::string& where, const FlatValue& value) {
    const auto steps = checked_steps(where, value, "normalizers", normalizers());
    std::string several;
    int count = 0;
    for (const FlatValue& step : steps) {
        const std::string_view type = step.find("type")->text();
        if (!is_in(UNICODE, type)) continue;
        several += (count++ > 0 ? " and " : "") + std::string(type);
    }
    if (count > 1) throw TokenizerFormatError(where, "received " + several + ", expected one of them");
    for (const FlatValue& step : steps) {
        if (step.find("type")->text() != "Replace") continue;
        const auto content = *step.find("content"), pattern = *step.find("pattern");
        const auto text = pattern.find("String");
        const std::size_t most = text ? character_count(text->text()) : 1;
        if (character_count(content.text()) > most) {
            throw unexpected(where + ".content", content,
                             "at most " + std::to_string(most) + " characters, as the pattern may match");
        }
    }
}

void check_pre_tokenizer(const std::string& where, const FlatValue& value) {
    checked_steps(where, value, "pretokenizers", pre_tokenizers());
}

}  // namespace latentlink
