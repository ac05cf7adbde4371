#include "tokenizers/unicode.h"

#include <algorithm>
#include <iterator>

namespace latentlink {

namespace {

// By the first character of a range, 11 bits of properties: tests/vectors/unicode.py writes them.
constexpr std::uint32_t RANGES[] = {
#define LATENTLINK_UNICODE_RANGES
#include "tokenizers/unicode_table.inc"
#undef LATENTLINK_UNICODE_RANGES
};

// Characters that are moved to their small letters.
struct SmallLetters {
    char32_t first;
    std::uint32_t count, step;
    std::int32_t away;
};
constexpr SmallLetters SMALL_LETTERS[] = {
#define LATENTLINK_UNICODE_SMALL_LETTERS
#include "tokenizers/unicode_table.inc"
#undef LATENTLINK_UNICODE_SMALL_LETTERS
};

constexpr char32_t I_WITH_DOT = 0x130;

constexpr int PROPERTY_BITS = 11;
constexpr std::uint32_t WORD = 1u << 9, NORMALIZED = 1u << 10;

// Values of Grapheme_Cluster_Break in the order of the table.
enum Break : std::uint8_t {
    OTHER,
    CR,
    LF,
    CONTROL,
    EXTEND,
    ZWJ,
    REGIONAL,
    PREPEND,
    SPACING,
    L,
    V,
    T,
    LV,
    LVT,
    PICTURE
};

// Values of Indic_Conjunct_Break.
enum Conjunct : std::uint8_t { NO_CONJUNCT, CONSONANT, LINKER, CONJUNCT_EXTEND };

constexpr char32_t FIRST_SYLLABLE = 0xAC00, SYLLABLES = 11172, SYLLABLES_OF_PAIR = 28;

std::uint32_t properties_of(char32_t character) {
    const auto after = std::upper_bound(std::begin(RANGES), std::end(RANGES), character,
                                        [](char32_t c, std::uint32_t range) { return c < range >> PROPERTY_BITS; });
    return *std::prev(after);
}

Break break_of(char32_t character, std::uint32_t properties) {
    if (character - FIRST_SYLLABLE < SYLLABLES) {
        return (character - FIRST_SYLLABLE) % SYLLABLES_OF_PAIR == 0 ? LV : LVT;
    }
    return static_cast<Break>(properties >> 3 & 0xF);
}

// What was read of the text before a place, as far as the rules ask for it.
struct Before {
    Break last = OTHER;
    bool picture = false;       // a picture, and extending characters
    bool consonant = false;     // a consonant, and linkers or extending characters
    bool linker = false;        // one of them a linker
    std::size_t regionals = 0;  // that many letters of flags

    // Whether a reader takes the next character as part of the one before.
    bool joins(Break next, Conjunct conjunct) const {
        if (last == CR && next == LF) return true;
        if (last == CONTROL || last == CR || last == LF || next == CONTROL || next == CR || next == LF) return false;
        if (last == L && (next == L || next == V || next == LV || next == LVT)) return true;
        if ((last == LV || last == V) && (next == V || next == T)) return true;
        if ((last == LVT || last == T) && next == T) return true;
        if (next == EXTEND || next == ZWJ || next == SPACING || last == PREPEND) return true;
        if (consonant && linker && conjunct == CONSONANT) return true;
        if (picture && last == ZWJ && next == PICTURE) return true;
        return last == REGIONAL && next == REGIONAL && regionals % 2 == 1;
    }

    void read(Break next, Conjunct conjunct) {
        last = next;
        picture = next == PICTURE || (picture && (next == EXTEND || next == ZWJ));
        linker = conjunct == LINKER ? consonant : linker && conjunct == CONJUNCT_EXTEND;
        consonant = conjunct == CONSONANT || (consonant && conjunct != NO_CONJUNCT);
        regionals = next == REGIONAL ? regionals + 1 : 0;
    }
};

}  // namespace

Category category_of(char32_t character) { return static_cast<Category>(properties_of(character) & 7); }

bool is_space(char32_t character) {
    switch (character) {
        case 0x20:
        case 0x85:
        case 0xA0:
        case 0x1680:
        case 0x2028:
        case 0x2029:
        case 0x202F:
        case 0x205F:
        case 0x3000: return true;
        default: return (character >= 9 && character <= 13) || (character >= 0x2000 && character <= 0x200A);
    }
}

bool is_word(char32_t character) { return (properties_of(character) & WORD) != 0; }

bool is_normalized_away(char32_t character) { return (properties_of(character) & NORMALIZED) != 0; }

std::u32string small_letter(char32_t character) {
    if (character == I_WITH_DOT) return U"i\u0307";
    const auto after = std::upper_bound(std::begin(SMALL_LETTERS), std::end(SMALL_LETTERS), character,
                                        [](char32_t c, const SmallLetters& letters) { return c < letters.first; });
    if (after != std::begin(SMALL_LETTERS)) {
        const auto& [first, count, step, away] = *std::prev(after);
        const char32_t distance = character - first;
        if (distance % step == 0 && distance / step < count) character += static_cast<char32_t>(away);
    }
    return {character};
}

std::vector<std::size_t> grapheme_ends(std::u32string_view text) {
    std::vector<std::size_t> ends;
    Before before;
    for (std::size_t place = 0; place < text.size(); ++place) {
        const std::uint32_t properties = properties_of(text[place]);
        const Break next = break_of(text[place], properties);
        const auto conjunct = static_cast<Conjunct>(properties >> 7 & 3);
        if (place > 0 && !before.joins(next, conjunct)) ends.push_back(place);
        before.read(next, conjunct);
    }
    if (!text.empty()) ends.push_back(text.size());
    return ends;
}

}  // namespace latentlink
