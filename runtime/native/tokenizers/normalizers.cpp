#include "tokenizers/normalizers.h"

#include <algorithm>
#include <string>
#include <utility>

#include "tokenizers/charsmap.h"
#include "tokenizers/normal_forms.h"
#include "tokenizers/steps.h"
#include "tokenizers/unicode.h"
#include "vocabulary/utf8.h"

namespace latentlink {

namespace {

// Most bytes of what a reader takes for one character that a table of characters is asked for as a whole.
constexpr std::size_t MAX_WHOLE = 5;

Normalizer into(NormalForm form) {
    return [form](AlignedText& text) { text.transform(normal_form(text.characters(), form)); };
}

void lowercase(AlignedText& text) {
    std::vector<TextChange> changes;
    for (const char32_t character : text.characters()) {
        int change = 0;
        for (const char32_t letter : small_letter(character)) changes.push_back({letter, std::exchange(change, 1)});
    }
    text.transform(changes);
}

Normalizer strip(bool left, bool right) {
    return [left, right](AlignedText& text) {
        const std::u32string all = text.characters();
        const auto first = left ? std::ranges::find_if_not(all, is_space) : all.begin();
        auto last = all.end();
        while (right && last != first && is_space(*(last - 1))) --last;
        std::vector<TextChange> changes;
        for (auto c = first; c != last; ++c) changes.push_back({*c, 0});
        text.transform(changes, static_cast<std::size_t>(first - all.begin()));
    };
}

// Put a replacement in the place of so many characters.
void put(std::vector<TextChange>& changes, std::size_t replaced, std::string_view replacement) {
    std::size_t count = 0;
    for (; !replacement.empty(); ++count) {
        changes.push_back({next_character(replacement), count < replaced ? 0 : 1});
    }
    if (count < replaced && !changes.empty()) changes.back().change -= static_cast<int>(replaced - count);
}

// A table of characters is asked for what a reader takes for one, if it is short, and else for each of its characters.
// What is asked for is replaced as a whole, also where the table only knows its beginning: as the library does it.
Normalizer precompiled(Charsmap table) {
    return [table = std::move(table)](AlignedText& text) {
        const std::u32string all = text.characters();
        std::vector<TextChange> changes;
        std::size_t done = 0;
        for (const std::size_t end : grapheme_ends(all)) {
            const std::u32string_view cluster = std::u32string_view(all).substr(done, end - done);
            done = end;
            std::string bytes;
            for (const char32_t character : cluster) append_utf8(bytes, character);
            if (bytes.size() <= MAX_WHOLE) {
                if (const auto found = table.find(bytes)) {
                    put(changes, cluster.size(), *found);
                    continue;
                }
            }
            for (const char32_t character : cluster) {
                bytes.clear();
                append_utf8(bytes, character);
                if (const auto found = table.find(bytes)) {
                    put(changes, 1, *found);
                } else {
                    changes.push_back({character, 0});
                }
            }
        }
        text.transform(changes);
    };
}

Normalizer replace(FindMatches find, std::string content) {
    return [find = std::move(find), content = std::move(content)](AlignedText& text) {
        text.replace(find(text.text()), content);
    };
}

Normalizer made_of(const FlatValue& step) {
    const std::string_view type = step.find("type")->text();
    if (type == "NFC") return into(NormalForm::nfc);
    if (type == "NFD") return into(NormalForm::nfd);
    if (type == "NFKC") return into(NormalForm::nfkc);
    if (type == "NFKD") return into(NormalForm::nfkd);
    if (type == "Lowercase") return lowercase;
    if (type == "Precompiled") return precompiled(Charsmap(step.find("precompiled_charsmap")->text()));
    if (type == "Replace") {
        return replace(matches_of(*step.find("pattern")), std::string(step.find("content")->text()));
    }
    if (type == "Strip") return strip(flag_of(step, "strip_left", false), flag_of(step, "strip_right", false));
    return [text = std::string(step.find("prepend")->text())](AlignedText& aligned) { aligned.prepend(text); };
}

}  // namespace

std::vector<Normalizer> make_normalizers(const FlatValue& value) {
    std::vector<Normalizer> made;
    for (const FlatValue& step : steps_of(value, "normalizers")) made.push_back(made_of(step));
    return made;
}

}  // namespace latentlink
