#include "tokenizers/normal_forms.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <utility>

#include "tokenizers/unicode.h"

namespace latentlink {

namespace {

constexpr std::size_t MAX_DECOMPOSED = 32;  // characters that one is taken apart into; 18 at most

int class_of(char32_t character) {
    if (!is_normalized_away(character)) return 0;
    return utf8proc_get_property(static_cast<utf8proc_int32_t>(character))->combining_class;
}

// The characters that one stands for.
std::u32string decomposed(char32_t character, bool compatible) {
    if (!is_normalized_away(character)) return {character};
    const int options = UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0);
    std::array<utf8proc_int32_t, MAX_DECOMPOSED> parts{};
    int last_class = 0;
    const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(character), parts.data(), parts.size(),
                                               static_cast<utf8proc_option_t>(options), &last_class);
    return {parts.begin(), parts.begin() + std::max<utf8proc_ssize_t>(count, 0)};
}

// The character that two are composed to.
std::optional<char32_t> composed(char32_t first, char32_t second) {
    std::array<utf8proc_int32_t, 2> pair = {static_cast<utf8proc_int32_t>(first),
                                            static_cast<utf8proc_int32_t>(second)};
    const auto options = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    if (utf8proc_normalize_utf32(pair.data(), pair.size(), options) != 1) return std::nullopt;
    const auto made = static_cast<char32_t>(pair[0]);
    return is_normalized_away(made) ? std::optional(made) : std::nullopt;
}

// Taken apart, with the marks of each letter in their order.
std::vector<TextChange> all_decomposed(std::u32string_view text, bool compatible) {
    std::vector<TextChange> made;
    std::vector<TextChange>::difference_type letter = 0;  // after the last character that marks cannot pass
    const auto sort = [&] {
        std::stable_sort(made.begin() + letter, made.end(), [](const TextChange& a, const TextChange& b) {
            return class_of(a.character) < class_of(b.character);
        });
        letter = static_cast<std::vector<TextChange>::difference_type>(made.size());
    };
    for (const char32_t character : text) {
        int change = 0;
        for (const char32_t part : decomposed(character, compatible)) {
            if (class_of(part) == 0) sort();
            made.push_back({part, std::exchange(change, 1)});
        }
    }
    sort();
    return made;
}

// Put together again: a mark joins the last letter, unless one of its class or above stands between.
std::vector<TextChange> all_composed(const std::vector<TextChange>& parts) {
    std::vector<TextChange> made;
    std::optional<std::size_t> letter;  // in `made`
    int last_class = 0;                 // of the marks after it
    for (const TextChange& part : parts) {
        const int own_class = class_of(part.character);
        const bool beside = letter && (made.size() == *letter + 1 || last_class < own_class);
        if (beside) {
            TextChange& base = made[*letter];
            if (const auto both = composed(base.character, part.character)) {
                base = {*both, base.change + part.change - 1};
                continue;
            }
        }
        if (own_class == 0) letter = made.size();
        last_class = own_class;
        made.push_back(part);
    }
    return made;
}

}  // namespace

std::vector<TextChange> normal_form(std::u32string_view text, NormalForm form) {
    const bool compatible = form == NormalForm::nfkc || form == NormalForm::nfkd;
    const bool composes = form == NormalForm::nfc || form == NormalForm::nfkc;
    const auto parts = all_decomposed(text, compatible);
    return composes ? all_composed(parts) : parts;
}

}  // namespace latentlink
