#include "tokenizers/prefix_index.h"

#include <algorithm>
#include <span>

namespace latentlink {

namespace {

unsigned char byte_of(char letter) { return static_cast<unsigned char>(letter); }

}  // namespace

PrefixIndex::PrefixIndex(std::vector<Entry> entries) : entries_(std::move(entries)), starts_(257) {
    std::ranges::stable_sort(entries_, {}, &Entry::text);
    // of equal texts, keep the last
    const auto equal = [](const Entry& one, const Entry& other) { return one.text == other.text; };
    const auto kept = std::unique(entries_.rbegin(), entries_.rend(), equal);
    entries_.erase(entries_.begin(), kept.base());
    for (const Entry& entry : entries_) ++starts_[byte_of(entry.text.front()) + 1u];
    for (std::size_t byte = 1; byte < starts_.size(); ++byte) starts_[byte] += starts_[byte - 1];
}

PrefixIndex::Range PrefixIndex::first_letters_of(std::string_view text) const {
    if (text.empty()) return {0, 0};
    const std::size_t byte = byte_of(text.front());
    return {starts_[byte], starts_[byte + 1]};
}

PrefixIndex::Range PrefixIndex::narrowed(std::size_t begin, std::size_t end, std::size_t place, char letter) const {
    const auto part = std::span(entries_).subspan(begin, end - begin);
    const auto letter_of = [place](const Entry& entry) { return byte_of(entry.text[place]); };
    const auto first = std::ranges::lower_bound(part, byte_of(letter), {}, letter_of) - part.begin();
    const auto last = std::ranges::upper_bound(part, byte_of(letter), {}, letter_of) - part.begin();
    return {begin + static_cast<std::size_t>(first), begin + static_cast<std::size_t>(last)};
}

std::optional<std::uint32_t> PrefixIndex::find_whole(std::string_view text) const {
    const auto found = std::ranges::lower_bound(entries_, text, {}, &Entry::text);
    return found != entries_.end() && found->text == text ? std::optional(found->value) : std::nullopt;
}

}  // namespace latentlink
