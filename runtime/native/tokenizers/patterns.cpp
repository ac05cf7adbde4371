#include "tokenizers/patterns.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <utility>

#include "tokenizers/unicode.h"
#include "vocabulary/utf8.h"

namespace latentlink {

namespace {

// What patterns ask of a character. The first eight are the categories, in their order.
enum Trait : std::uint32_t {
    OTHER = 1,
    UPPER = 2,
    LOWER = 4,
    TITLE = 8,
    MODIFIER = 16,
    PLAIN_LETTER = 32,
    MARK = 64,
    NUMBER = 128,
    SPACE = 1 << 8,
    BLANK = 1 << 9,
    TAB = 1 << 10,
    NEWLINE = 1 << 11,
    RETURN = 1 << 12,
    SLASH = 1 << 13,
    LETTER = UPPER | LOWER | TITLE | MODIFIER | PLAIN_LETTER,
    LINE_END = NEWLINE | RETURN,
    UPPER_WORD = UPPER | TITLE | MODIFIER | PLAIN_LETTER | MARK,
    LOWER_WORD = LOWER | MODIFIER | PLAIN_LETTER | MARK,
};

std::uint32_t traits_of(char32_t character) {
    std::uint32_t traits = 1u << static_cast<unsigned>(category_of(character));
    if (is_space(character)) traits |= SPACE;
    switch (character) {
        case ' ': return traits | BLANK;
        case '\t': return traits | TAB;
        case '\n': return traits | NEWLINE;
        case '\r': return traits | RETURN;
        case '/': return traits | SLASH;
        default: return traits;
    }
}

// A text as patterns read it.
struct Read {
    std::u32string characters = {};
    std::vector<std::uint32_t> traits = {};
    std::vector<std::size_t> bytes = {};  // where each character begins; at last, the text's size

    explicit Read(std::string_view text) {
        const std::size_t size = text.size();
        while (!text.empty()) {
            bytes.push_back(size - text.size());
            characters += next_character(text);
            traits.push_back(traits_of(characters.back()));
        }
        bytes.push_back(size);
    }
};

constexpr std::size_t ANY = std::numeric_limits<std::size_t>::max();

// One item of an alternative: so many characters, as many as possible, that have one of the traits `any` (0: do not
// matter) and none of `none`; or a fixed text; or one of the endings of English.
struct Item {
    enum class Kind { characters, text, ending, ending_of_any_case, perhaps_ending_of_any_case, no_word_follows };

    Kind kind = Kind::characters;
    std::uint32_t any = 0, none = 0;
    std::size_t least = 1, most = ANY;
    std::u32string_view text = {};

    bool holds(std::uint32_t traits) const { return (any == 0 || (traits & any) != 0) && (traits & none) == 0; }
};

using Alternative = std::vector<Item>;
using Alternatives = std::vector<Alternative>;

struct Pattern {
    std::string_view expression;
    Alternatives alternatives;  // the first one that matches counts
};

constexpr std::array<std::u32string_view, 7> ENDINGS = {U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d"};

// Case folding of what can be a letter of an ending; `ſ` is an s.
char32_t folded(char32_t character) {
    if (character >= 'A' && character <= 'Z') return character - 'A' + 'a';
    return character == 0x17F ? U's' : character;
}

// The place after an ending; none if there is none at this place.
std::optional<std::size_t> after_ending(std::u32string_view text, std::size_t place, bool any_case) {
    for (const std::u32string_view ending : ENDINGS) {
        const auto same = [any_case](char32_t a, char32_t b) { return a == (any_case ? folded(b) : b); };
        const std::u32string_view part = text.substr(place, ending.size());
        if (std::ranges::equal(ending, part, same)) return place + ending.size();
    }
    return std::nullopt;
}

using Items = std::vector<Item>::const_iterator;

// The place after the items of an alternative, read from a place on; none if they are not there. There are no more than
// five of them.
std::optional<std::size_t> after_items(const Read& read, Items item, Items end, std::size_t place) {
    if (item == end) return place;
    const auto rest = [&](std::size_t next) { return after_items(read, item + 1, end, next); };
    switch (item->kind) {
        case Item::Kind::characters: {
            std::size_t count = 0;
            while (count < item->most && place + count < read.traits.size() &&
                   item->holds(read.traits[place + count])) {
                ++count;
            }
            for (; count + 1 > item->least; --count) {
                if (const auto found = rest(place + count)) return found;
                if (count == 0) break;
            }
            return std::nullopt;
        }
        case Item::Kind::text: {
            if (!std::u32string_view(read.characters).substr(place).starts_with(item->text)) return std::nullopt;
            return rest(place + item->text.size());
        }
        case Item::Kind::no_word_follows: {
            const bool follows = place < read.traits.size() && (read.traits[place] & SPACE) == 0;
            return follows ? std::nullopt : rest(place);
        }
        case Item::Kind::perhaps_ending_of_any_case: {
            return rest(after_ending(read.characters, place, true).value_or(place));
        }
        case Item::Kind::ending:
        case Item::Kind::ending_of_any_case: break;
    }
    const auto after = after_ending(read.characters, place, item->kind == Item::Kind::ending_of_any_case);
    return after ? rest(*after) : std::nullopt;
}

Item one(std::uint32_t any) { return {.any = any, .most = 1}; }
Item some(std::uint32_t any) { return {.any = any}; }
Item maybe_some(std::uint32_t any) { return {.any = any, .least = 0}; }
Item some_but(std::uint32_t none) { return {.none = none}; }
Item maybe_one_but(std::uint32_t none) { return {.none = none, .least = 0, .most = 1}; }
Item up_to(std::size_t most, std::uint32_t any) { return {.any = any, .most = most}; }
Item at_least(std::size_t least, std::uint32_t any) { return {.any = any, .least = least}; }
Item text(std::u32string_view text) { return {.kind = Item::Kind::text, .text = text}; }

const Item MAYBE_BLANK = {.any = BLANK, .least = 0, .most = 1};
const Item ENDING = {.kind = Item::Kind::ending};
const Item ENDING_OF_ANY_CASE = {.kind = Item::Kind::ending_of_any_case};
const Item PERHAPS_ENDING = {.kind = Item::Kind::perhaps_ending_of_any_case};
const Item NO_WORD_FOLLOWS = {.kind = Item::Kind::no_word_follows};

// What most of the newer expressions end with: signs, and spaces.
Alternatives with_signs_and_spaces(Alternatives made, std::uint32_t letters, std::uint32_t after_signs) {
    made.push_back({MAYBE_BLANK, some_but(SPACE | letters | NUMBER), maybe_some(after_signs)});
    made.push_back({maybe_some(SPACE), some(LINE_END)});
    made.push_back({some(SPACE), NO_WORD_FOLLOWS});
    made.push_back({some(SPACE)});
    return made;
}

// Letters of a word that may begin with another sign, capitals and small ones apart, and what may end it; numbers.
Alternatives of_two_cases(const Alternative& ending, const Item& numbers) {
    const Item start = maybe_one_but(LINE_END | LETTER | NUMBER);
    Alternatives words = {{start, maybe_some(UPPER_WORD), some(LOWER_WORD)},
                          {start, some(UPPER_WORD), maybe_some(LOWER_WORD)}};
    for (Alternative& word : words) word.insert(word.end(), ending.begin(), ending.end());
    words.push_back({numbers});
    return with_signs_and_spaces(words, LETTER, LINE_END | SLASH);
}

// Letters, single digits, and signs.
Alternatives words_and_digits(Alternatives made) {
    const Alternatives rest = {{ENDING}, {some(LETTER)}, {one(NUMBER)}, {some_but(SPACE | LETTER | NUMBER)}};
    made.insert(made.end(), rest.begin(), rest.end());
    return made;
}

std::vector<Pattern> all_patterns() {
    const Item start = maybe_one_but(LINE_END | LETTER | NUMBER);
    return {
        {R"x(\s+)x", {{some(SPACE)}}},
        {R"x( {2,})x", {{at_least(2, BLANK)}}},
        {R"x(\n)x", {{one(NEWLINE)}}},
        {R"x(\s{2,}|[\n\r\t])x", {{at_least(2, SPACE)}, {one(LINE_END | TAB)}}},
        {R"x('s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+)x", words_and_digits({})},
        {R"x(<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+)x",
         words_and_digits({{text(U"<|startoftext|>")}, {text(U"<|endoftext|>")}})},
        {R"x('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)x",
         {{ENDING},
          {MAYBE_BLANK, some(LETTER)},
          {MAYBE_BLANK, some(NUMBER)},
          {MAYBE_BLANK, some_but(SPACE | LETTER | NUMBER)},
          {some(SPACE), NO_WORD_FOLLOWS},
          {some(SPACE)}}},
        {R"x((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+)x"
         R"x(|\s+(?!\S)|\s+)x",
         with_signs_and_spaces({{ENDING_OF_ANY_CASE}, {start, some(LETTER)}, {one(NUMBER)}}, LETTER, LINE_END)},
        {R"x((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n])x"
         R"x(*|\s*[\r\n]+|\s+(?!\S)|\s+)x",
         with_signs_and_spaces({{ENDING_OF_ANY_CASE}, {start, some(LETTER | MARK)}, {one(NUMBER)}}, LETTER | MARK,
                               LINE_END)},
        {R"x((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\)x"
         R"x(r\n]+|\s+(?!\S)|\s+)x",
         with_signs_and_spaces({{ENDING_OF_ANY_CASE}, {start, some(LETTER)}, {up_to(3, NUMBER)}}, LETTER, LINE_END)},
        {R"x([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[)x"
         R"x(\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\)x"
         R"x(r\n]+|\s+(?!\S)|\s+)x",
         of_two_cases({}, one(NUMBER))},
        {R"x([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m)x"
         R"x(|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|)x"
         R"x('re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)x",
         of_two_cases({PERHAPS_ENDING}, up_to(3, NUMBER))}};
}

const std::vector<Pattern>& patterns() {
    static const std::vector<Pattern> known = all_patterns();
    return known;
}

const Pattern* find_pattern(std::string_view expression) {
    const auto found = std::ranges::find(patterns(), expression, &Pattern::expression);
    return found == patterns().end() ? nullptr : &*found;
}

std::optional<std::size_t> after_match(const Read& read, const Pattern& pattern, std::size_t place) {
    for (const Alternative& alternative : pattern.alternatives) {
        if (const auto found = after_items(read, alternative.begin(), alternative.end(), place)) return found;
    }
    return std::nullopt;
}

// Cuts a text where `after` gives the place after a match that begins at a place.
template <typename After>
std::vector<Match> cut(std::size_t size, After after) {
    std::vector<Match> made;
    std::size_t done = 0;
    for (std::size_t place = 0; place < size;) {
        const std::optional<std::size_t> end = after(place);
        if (!end) {
            ++place;
            continue;
        }
        if (done < place) made.push_back({done, place, false});
        made.push_back({place, *end, true});
        done = place = *end;
    }
    if (done < size) made.push_back({done, size, false});
    return made;
}

}  // namespace

bool is_known_pattern(std::string_view expression) { return find_pattern(expression) != nullptr; }

FindMatches expression_matches(std::string_view expression) {
    const Pattern* const pattern = find_pattern(expression);
    if (pattern == nullptr) throw std::invalid_argument("an expression that is not known");
    return [pattern](std::string_view text) {
        const Read read(text);
        auto made = cut(read.traits.size(), [&](std::size_t place) { return after_match(read, *pattern, place); });
        for (auto& [begin, end, found] : made) {
            begin = read.bytes[begin];
            end = read.bytes[end];
        }
        return made;
    };
}

FindMatches text_matches(std::string wanted) {
    return [wanted = std::move(wanted)](std::string_view text) {
        return cut(text.size(), [&](std::size_t place) {
            const bool here = text.substr(place).starts_with(wanted);
            return here ? std::optional(place + wanted.size()) : std::nullopt;
        });
    };
}

}  // namespace latentlink
