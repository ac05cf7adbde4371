#include "text/weighting.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <span>
#include <utility>

#include "tokenizers/unicode.h"
#include "vocabulary/errors.h"
#include "vocabulary/texts.h"
#include "vocabulary/utf8.h"

namespace latentlink {

namespace {

constexpr std::size_t SHOWN = 61;  // most characters of a group in a message

// A pair of parentheses, by characters.
struct Group {
    std::size_t opens;   // the first
    std::size_t closes;  // what ends the words: the colon before a weight, or the second parenthesis
    std::size_t end;     // after the second
    std::optional<double> weight;
};

// Python's `\s`.
bool is_blank(char32_t c) { return is_space(c) || (c >= 0x1C && c <= 0x1F); }

bool is_digit(char32_t c) { return c >= '0' && c <= '9'; }

std::string utf8_of(std::u32string_view text) {
    std::string made;
    for (const char32_t character : text) append_utf8(made, character);
    return made;
}

double number_of(std::u32string_view digits) {
    const std::string text = utf8_of(digits);
    double value = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    if (result.ec != std::errc::result_out_of_range) return value;
    const bool large = text.find_first_of("123456789") < text.find('.');
    return large ? std::numeric_limits<double>::infinity() : 0.0;
}

// A weight, the `:` before it and the parenthesis after it.
struct Weight {
    double value;
    std::size_t end;  // after the parenthesis
};

std::optional<Weight> weight_at(std::u32string_view text, std::size_t colon) {
    const auto at = [text](std::size_t place) { return place < text.size() ? text[place] : U'\0'; };
    const auto after = [&](std::size_t place, bool (*holds)(char32_t)) {
        while (place < text.size() && holds(text[place])) ++place;
        return place;
    };
    const std::size_t begin = after(colon + 1, is_blank), whole = after(begin, is_digit);
    std::size_t end = whole;
    if (at(whole) == '.' && (whole > begin || is_digit(at(whole + 1)))) {
        end = after(whole + 1, is_digit);
    } else if (whole != begin + 1 || at(begin) > '2') {
        return std::nullopt;
    }
    const std::size_t closes = after(end, is_blank);
    if (at(closes) != ')') return std::nullopt;
    return Weight{number_of(text.substr(begin, end - begin)), closes + 1};
}

// All pairs of parentheses, by position. An escaped character is never one.
std::vector<Group> groups_of(std::u32string_view prompt) {
    std::vector<Group> groups;
    std::vector<std::size_t> open;
    for (std::size_t place = 0; place < prompt.size();) {
        const char32_t character = prompt[place];
        if (character == '\\') {
            place += 2;
            continue;
        }
        const std::optional<Weight> weight = character == ':' ? weight_at(prompt, place) : std::nullopt;
        const std::size_t end = weight ? weight->end : place + 1;
        if (character == '(') {
            open.push_back(place);
        } else if ((weight || character == ')') && !open.empty()) {
            groups.push_back({open.back(), place, end, weight ? std::optional(weight->value) : std::nullopt});
            open.pop_back();
        }
        place = end;
    }
    std::ranges::sort(groups, {}, &Group::opens);
    return groups;
}

// The groups whose outermost group has a weight, or contains one that has.
std::vector<Group> weighted(std::span<const Group> groups) {
    std::vector<Group> made;
    while (!groups.empty()) {
        std::size_t count = 1;
        while (count < groups.size() && groups[count].opens < groups[0].end) ++count;
        const auto outermost = groups.first(count);
        if (std::ranges::any_of(outermost, [](const Group& group) { return group.weight.has_value(); })) {
            made.insert(made.end(), outermost.begin(), outermost.end());
        }
        groups = groups.subspan(count);
    }
    return made;
}

// The weight of the words in a group that is itself in others.
double product(std::u32string_view prompt, const Group& group, double outer) {
    const double own = group.weight.value_or(PLAIN_WEIGHT);
    for (const double weight : {own, outer * own}) {
        if (!(weight > MAX_WEIGHT)) continue;
        const std::size_t begin = std::max(group.opens, group.end > SHOWN ? group.end - SHOWN : 0);
        throw UsageError("The weight in " + repr(utf8_of(prompt.substr(begin, group.end - begin))) + " is " +
                             general(weight) + "; expected 0 to " + general(MAX_WEIGHT) + ".",
                         R"(0.5 to 1.5 are usual; if it is not a weight, write \( for the parenthesis.)");
    }
    return outer * own;
}

// A part of a prompt without the backslashes before parentheses and backslashes.
std::string unescaped(std::u32string_view text) {
    std::string made;
    for (std::size_t place = 0; place < text.size(); ++place) {
        const bool escapes = text[place] == '\\' && place + 1 < text.size() &&
                             std::u32string_view(U"()\\").find(text[place + 1]) != std::u32string_view::npos;
        place += escapes;
        append_utf8(made, text[place]);
    }
    return made;
}

}  // namespace

std::vector<WeightedPart> weighted_parts(std::string_view prompt) {
    const std::u32string text = characters(prompt);
    const std::vector<Group> groups = weighted(groups_of(text));
    // Where words begin (with their group) or end: the place, and the place after what is between.
    struct Bound {
        std::size_t place, after;
        const Group* opened;
    };
    std::vector<Bound> bounds;
    for (const Group& group : groups) {
        bounds.push_back({group.opens, group.opens + 1, &group});
        bounds.push_back({group.closes, group.end, nullptr});
    }
    std::ranges::sort(bounds, {}, &Bound::place);
    std::vector<WeightedPart> parts;
    std::vector<double> weights = {1};
    std::size_t done = 0;
    const auto add = [&](std::size_t end) {
        if (done < end) {
            parts.push_back({unescaped(std::u32string_view(text).substr(done, end - done)), weights.back()});
        }
    };
    for (const auto& [place, after, opened] : bounds) {
        add(place);
        if (opened == nullptr) {
            weights.pop_back();
        } else {
            weights.push_back(product(text, *opened, weights.back()));
        }
        done = after;
    }
    add(text.size());
    if (parts.empty()) parts.push_back({"", 1});
    return parts;
}

}  // namespace latentlink
