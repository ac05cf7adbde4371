#include "tokenizers/pre_tokenizers.h"

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "tokenizers/failure.h"
#include "tokenizers/steps.h"
#include "tokenizers/unicode.h"
#include "vocabulary/utf8.h"

namespace latentlink {

namespace {

constexpr std::string_view WORDS_OF_BYTE_LEVEL =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// A letter for each byte, as GPT-2 has them: itself where it can be seen, and else one after U+0100.
std::array<char32_t, 256> byte_letters() {
    std::array<char32_t, 256> letters{};
    char32_t next = 0x100;
    for (char32_t byte = 0; byte < 256; ++byte) {
        const bool seen = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
        letters[byte] = seen ? byte : next++;
    }
    return letters;
}

void spell_bytes(AlignedText& text) {
    static const std::array<char32_t, 256> letters = byte_letters();
    std::vector<TextChange> changes;
    changes.reserve(text.text().size());
    for (const char c : text.text()) {
        const auto byte = static_cast<unsigned char>(c);
        const bool continues = (byte & 0xC0) == 0x80;
        changes.push_back({letters[byte], continues ? 1 : 0});
    }
    text.transform(changes);
}

PreTokenizer byte_level(const FlatValue& step) {
    for (const std::string_view key : {"add_prefix_space", "trim_offsets"}) {
        if (!step.find(key)) throw TokenizerError("missing field `" + std::string(key) + "`");
    }
    FindMatches words;
    if (flag_of(step, "use_regex", true)) words = expression_matches(WORDS_OF_BYTE_LEVEL);
    return [words = std::move(words), space = flag_of(step, "add_prefix_space", true)](AlignedText text) {
        if (space && !text.text().starts_with(' ')) text.prepend(" ");
        std::vector<AlignedText> made;
        if (words) {
            made = text.split(words(text.text()), SplitBehavior::isolated);
        } else {
            made.push_back(std::move(text));
        }
        for (AlignedText& part : made) spell_bytes(part);
        return made;
    };
}

PreTokenizer metaspace(const FlatValue& step) {
    const auto given = step.find("prepend_scheme");
    std::string scheme(given ? given->text() : "always");
    if (!flag_of(step, "add_prefix_space", true)) {
        if (scheme != "never") throw TokenizerError("add_prefix_space does not match declared prepend_scheme");
    }
    const std::string mark(step.find("replacement")->text());
    return [scheme, mark, splits = flag_of(step, "split", true), spaces = text_matches(" "),
            marks = text_matches(mark)](AlignedText text) {
        text.replace(spaces(text.text()), mark);
        const bool wanted = scheme == "always" || (scheme == "first" && text.begin() == 0);
        if (wanted && !text.text().starts_with(mark)) text.prepend(mark);
        if (splits) return text.split(marks(text.text()), SplitBehavior::merged_with_next);
        return std::vector<AlignedText>{std::move(text)};
    };
}

SplitBehavior behavior_of(std::string_view name) {
    if (name == "Removed") return SplitBehavior::removed;
    if (name == "Isolated") return SplitBehavior::isolated;
    if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
    return name == "MergedWithNext" ? SplitBehavior::merged_with_next : SplitBehavior::contiguous;
}

PreTokenizer split(const FlatValue& step) {
    return [find = matches_of(*step.find("pattern")), behavior = behavior_of(step.find("behavior")->text()),
            invert = flag_of(step, "invert", false)](const AlignedText& text) {
        std::vector<Match> matches = find(text.text());
        for (Match& match : matches) match.found = match.found != invert;
        return text.split(std::move(matches), behavior);
    };
}

std::vector<AlignedText> split_at_spaces(const AlignedText& text) {
    std::vector<Match> matches;
    for (std::string_view rest = text.text(); !rest.empty();) {
        const std::size_t begin = text.text().size() - rest.size();
        const bool space = is_space(next_character(rest));
        const std::size_t end = text.text().size() - rest.size();
        if (space || matches.empty() || matches.back().found) {
            matches.push_back({begin, end, space});
        } else {
            matches.back().end = end;
        }
    }
    return text.split(std::move(matches), SplitBehavior::removed);
}

PreTokenizer made_of(const FlatValue& step) {
    const std::string_view type = step.find("type")->text();
    if (type == "ByteLevel") return byte_level(step);
    if (type == "Metaspace") return metaspace(step);
    if (type == "Split") return split(step);
    return split_at_spaces;
}

}  // namespace

std::vector<PreTokenizer> make_pre_tokenizers(const FlatValue& value) {
    std::vector<PreTokenizer> made;
    for (const FlatValue& step : steps_of(value, "pretokenizers")) made.push_back(made_of(step));
    return made;
}

}  // namespace latentlink
