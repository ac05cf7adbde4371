#include "tokenizers/aligned_text.h"

#include <algorithm>

#include "vocabulary/utf8.h"

namespace latentlink {

namespace {

// Number of bytes of the character that begins here.
std::size_t length_at(std::string_view text, std::size_t place) {
    std::string_view rest = text.substr(place);
    const std::size_t size = rest.size();
    next_character(rest);
    return size - rest.size();
}

// Where to cut a text: matches as they are, or joined to what is before, after or like them.
std::vector<Match> cuts_of(std::vector<Match> matches, SplitBehavior behavior) {
    if (behavior == SplitBehavior::removed) {
        std::erase_if(matches, &Match::found);
        return matches;
    }
    if (behavior == SplitBehavior::isolated) return matches;
    const bool backwards = behavior == SplitBehavior::merged_with_next;
    if (backwards) std::ranges::reverse(matches);
    std::vector<Match> made;
    bool previous = false;
    for (const Match& match : matches) {
        const bool joins = behavior == SplitBehavior::contiguous ? match.found == previous : match.found && !previous;
        previous = match.found;
        if (!joins || made.empty()) {
            made.push_back(match);
        } else if (backwards) {
            made.back().begin = match.begin;
        } else {
            made.back().end = match.end;
        }
    }
    if (backwards) std::ranges::reverse(made);
    return made;
}

}  // namespace

AlignedText::AlignedText(std::string_view original) : text_(original) {
    origins_.reserve(original.size());
    for (std::size_t place = 0; place < original.size();) {
        const std::size_t length = length_at(original, place);
        origins_.insert(origins_.end(), length,
                        {static_cast<std::uint32_t>(place), static_cast<std::uint32_t>(place + length)});
        place += length;
    }
}

std::u32string AlignedText::characters() const {
    std::u32string made;
    for (std::string_view rest = text_; !rest.empty();) made += next_character(rest);
    return made;
}

std::size_t AlignedText::origin(std::size_t byte) const {
    return byte < origins_.size() ? origins_[byte].begin : origins_.empty() ? begin_ : origins_.back().end;
}

AlignedText AlignedText::slice(std::size_t begin, std::size_t end) const {
    AlignedText made;
    made.text_ = text_.substr(begin, end - begin);
    const auto first = origins_.begin();
    made.origins_.assign(first + static_cast<std::ptrdiff_t>(begin), first + static_cast<std::ptrdiff_t>(end));
    made.begin_ = origin(begin);
    return made;
}

std::vector<AlignedText> AlignedText::split(std::vector<Match> matches, SplitBehavior behavior) const {
    std::vector<AlignedText> made;
    for (const Match& part : cuts_of(std::move(matches), behavior)) {
        if (part.begin < part.end) made.push_back(slice(part.begin, part.end));
    }
    return made;
}

void AlignedText::transform(std::span<const TextChange> changes, std::size_t dropped) {
    std::string text;
    std::vector<Origin> origins;
    std::size_t place = 0;  // in the old text
    const auto drop = [&](std::size_t count) {
        for (; count > 0 && place < text_.size(); --count) place += length_at(text_, place);
    };
    drop(dropped);
    for (const auto& [character, change] : changes) {
        const std::size_t from = change > 0 && place > 0 ? place - 1 : place;
        const Origin origin = from < origins_.size() ? origins_[from] : Origin{};
        if (change <= 0) drop(1 + static_cast<std::size_t>(-change));
        append_utf8(text, character);
        origins.resize(text.size(), origin);
    }
    text_ = std::move(text);
    origins_ = std::move(origins);
}

void AlignedText::prepend(std::string_view text) {
    if (empty()) return;
    origins_.insert(origins_.begin(), text.size(), Origin(origins_.front()));
    text_.insert(0, text);
}

void AlignedText::replace(std::span<const Match> matches, std::string_view content) {
    std::string text;
    std::vector<Origin> origins;
    for (const auto& [begin, end, found] : matches) {
        if (found) {
            text += content;
            origins.resize(text.size(), origins_[end - 1]);
        } else {
            text.append(text_, begin, end - begin);
            const auto first = origins_.begin();
            origins.insert(origins.end(), first + static_cast<std::ptrdiff_t>(begin),
                           first + static_cast<std::ptrdiff_t>(end));
        }
    }
    text_ = std::move(text);
    origins_ = std::move(origins);
}

}  // namespace latentlink
