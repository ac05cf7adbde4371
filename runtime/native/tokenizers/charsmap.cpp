#include "tokenizers/charsmap.h"

#include <algorithm>

#include "tokenizers/base64.h"
#include "vocabulary/utf8.h"

namespace latentlink {

namespace {

constexpr std::string_view EXPECTED = "a table of sentencepiece in base64";

// Bits of a unit.
constexpr std::uint32_t VALUE = 1u << 31, HAS_LEAF = 1u << 8, LABEL = VALUE | 0xFF;

std::uint32_t offset_of(std::uint32_t unit) { return (unit >> 10) << ((unit & (1u << 9)) >> 6); }

std::string no_table(std::string_view reason) {
    return "received text that is no such table (" + std::string(reason) + "), expected " + std::string(EXPECTED);
}

std::uint32_t unit_at(std::string_view bytes, std::size_t place) {
    std::uint32_t unit = 0;
    for (std::size_t i = 0; i < 4 && place + i < bytes.size(); ++i) {
        unit |= std::uint32_t{static_cast<unsigned char>(bytes[place + i])} << 8 * i;
    }
    return unit;
}

}  // namespace

Charsmap::Charsmap(std::string_view base64) { read(base64); }

std::string Charsmap::problem_of(std::string_view base64) { return Charsmap().read(base64); }

std::string Charsmap::read(std::string_view base64) {
    const auto [raw, problem] = base64_decoded(base64);
    if (!problem.empty()) return no_table(problem);
    const std::size_t size = unit_at(raw, 0);
    if (size % 4 != 0 || size < 4 || raw.size() < 4 || size > raw.size() - 4) {
        return "its trie has " + std::to_string(size) + " bytes of " + std::to_string(raw.size()) + ", expected " +
               std::string(EXPECTED);
    }
    replacements_ = raw.substr(4 + size);
    if (const auto fault = utf8_fault(replacements_)) return no_table(fault->message(replacements_));
    std::size_t longest = 0;
    for (std::string_view rest = replacements_; !rest.empty();) {
        const std::size_t end = std::min(rest.find('\0'), rest.size());
        longest = std::max(longest, character_count(rest.substr(0, end)));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    if (longest > MAX_REPLACEMENT) {
        return "it replaces one character by " + std::to_string(longest) + ", expected at most " +
               std::to_string(MAX_REPLACEMENT);
    }
    units_.resize(size / 4);
    for (std::size_t i = 0; i < units_.size(); ++i) units_[i] = unit_at(raw, 4 + 4 * i);
    return leads_out() ? "its trie leads out of the table, expected " + std::string(EXPECTED) : "";
}

// Whether some text leads from one unit to one that is not there, or to the middle of a character. A unit with the
// highest bit set is a value, and no label is equal to it; the walk begins at the first unit anyhow.
bool Charsmap::leads_out() const {
    const auto bad_value = [this](std::uint32_t value) {
        return value >= replacements_.size() || (static_cast<unsigned char>(replacements_[value]) & 0xC0) == 0x80;
    };
    bool out = false, bad = false;
    for (std::size_t place = 0; place < units_.size(); ++place) {
        const std::uint32_t unit = units_[place];
        if (place > 0 && (unit & VALUE) != 0) continue;
        const std::size_t child = place ^ offset_of(unit);
        if ((child | 0xFF) >= units_.size()) {
            out = true;
        } else if ((unit & HAS_LEAF) != 0) {
            bad = bad || bad_value(units_[child] & ~VALUE);
        }
    }
    return out || bad;
}

std::optional<std::string_view> Charsmap::find(std::string_view text) const {
    std::size_t place = offset_of(units_[0]);
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte == 0) break;
        place ^= byte;
        const std::uint32_t unit = units_[place];
        if ((unit & LABEL) != byte) break;
        place ^= offset_of(unit);
        if ((unit & HAS_LEAF) != 0) {
            const std::string_view found = std::string_view(replacements_).substr(units_[place] & ~VALUE);
            return found.substr(0, std::min(found.find('\0'), found.size()));
        }
    }
    return std::nullopt;
}

}  // namespace latentlink
