#include "bundle/record_checks.h"

#include <algorithm>

#include "bundle/printable.h"
#include "vocabulary/json_reading.h"
#include "vocabulary/texts.h"
#include "vocabulary/utf8.h"

namespace latentlink {

namespace {

constexpr int MAX_DEPTH = 16;
constexpr std::size_t MAX_VALUES = 250'000;

constexpr std::size_t MAX_SYMBOL_PROBLEM = 400;  // characters of an error about a symbol
constexpr std::size_t MAX_WHERE = 200;           // of the path to a value that is nested too deep

// What Python's `reprlib.Repr` is set to: characters of a value, members of a list or object, levels.
constexpr std::size_t MAX_SHORT = 80, MAX_MEMBERS = 4;
constexpr int MAX_LEVELS = 3;
constexpr std::string_view FILL = "...";

constexpr std::size_t ANY_LENGTH = std::string::npos;

// Both ends of a text, with FILL between them, for one that is longer than MAX_SHORT.
constexpr std::size_t HEAD = (MAX_SHORT - FILL.size()) / 2, TAIL = MAX_SHORT - FILL.size() - HEAD;

std::string clipped(const std::string& text) {
    return first_characters(text, HEAD).append(FILL) + last_characters(text, TAIL);
}

// A text with escapes for what is unprintable in a bundle: the same in every version of Unicode.
std::string quoted_text(std::string_view text) { return repr(text, is_printable); }

std::string shortened_text(const std::string& text) {
    const std::string whole = quoted_text(first_characters(text, MAX_SHORT));
    if (character_count(whole) <= MAX_SHORT) return whole;
    // Of a text that is shorter than TAIL, Python's slice `text[len(text) - TAIL:]` counts from its end.
    const std::size_t length = character_count(text);
    const std::size_t tail = length >= TAIL ? TAIL : std::min(length, TAIL - length);
    return clipped(quoted_text(first_characters(text, HEAD) + last_characters(text, tail)));
}

// Shows values as Python's reprlib does, with lists as tuples where Python holds them as such.
class Shortener {
  public:
    explicit Shortener(bool tuples) : tuples_(tuples) {}

    std::string operator()(const Json& value, int levels = MAX_LEVELS) const {
        if (value.is_string()) return shortened_text(value.get_ref<const std::string&>());
        if (value.is_object()) return "{" + members(value, levels) + "}";
        if (value.is_array()) {
            const std::string inner = members(value, levels);
            return tuples_ ? "(" + inner + (value.size() == 1 ? ",)" : ")") : "[" + inner + "]";
        }
        const std::string whole = repr(value);
        return character_count(whole) <= MAX_SHORT ? whole : clipped(whole);
    }

  private:
    std::string members(const Json& value, int levels) const {
        if (value.empty()) return "";
        if (levels <= 0) return std::string(FILL);
        std::string text;
        const auto add = [&text](const std::string& member) { text += (text.empty() ? "" : ", ") + member; };
        std::size_t count = 0;
        if (value.is_array()) {
            for (const Json& member : value) {
                if (count++ < MAX_MEMBERS) add((*this)(member, levels - 1));
            }
        } else {
            for (const auto& [key, member] : sorted_items(value, value.size(), ANY_LENGTH)) {
                if (count++ < MAX_MEMBERS) add(shortened_text(key) + ": " + (*this)(*member, levels - 1));
            }
        }
        if (count > MAX_MEMBERS) add(std::string(FILL));
        return text;
    }

    bool tuples_;
};

// Whether a text is one or more words of lower-case letters and digits, with one of `joints` between two of them.
bool is_joined(std::string_view text, std::string_view joints) {
    bool word = false;  // whether the last character was one of a word
    for (const char c : text) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!letter && (!word || joints.find(c) == std::string_view::npos)) return false;
        word = letter;
    }
    return word;
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_short_printable(std::string_view text, std::size_t limit) {
    return is_printable(text) && character_count(text) <= limit;
}

struct Nested {
    std::string where;
    const Json* value;
    int depth;
};

void check_scalar(const std::string& where, const Json& value) {
    if (value.is_string()) {
        check_text(where, value);
    } else if (value.is_number_float()) {
        check_number(where, value, -std::numeric_limits<double>::infinity());
    } else if (value.is_number() || value.is_binary()) {
        check_int(where, value, -MAX_INT, MAX_INT);
    }
}

}  // namespace

ManifestError ManifestError::below(std::string_view prefix) const {
    const bool dot = !where_.empty() && where_.front() != '[';
    return ManifestError(std::string(prefix) + (dot ? "." : "") + where_, problem_);
}

ManifestError ManifestError::of_symbol(std::string_view where, const UsageError& error) {
    std::string problem = first_characters(error.message(), MAX_SYMBOL_PROBLEM);
    while (problem.ends_with('.')) problem.pop_back();
    return ManifestError(std::string(where), problem);
}

std::string numbered(std::string_view key, std::size_t number) {
    return std::string(key) + "[" + std::to_string(number) + "]";
}

std::string shortened(const Json& value, bool tuples) { return Shortener(tuples)(value); }

ManifestError unexpected(std::string_view where, const Json& value, std::string_view expected) {
    return ManifestError(std::string(where), "received " + shortened(value) + ", expected " + std::string(expected));
}

ManifestError unexpected_tuple(std::string_view where, const Json& value, std::string_view expected) {
    return ManifestError(std::string(where),
                         "received " + shortened(value, true) + ", expected " + std::string(expected));
}

void check_tree(const Json& value) {
    std::vector<Nested> open = {{"", &value, 0}};
    std::size_t count = 0;
    while (!open.empty()) {
        const auto [where, item, depth] = std::move(open.back());
        open.pop_back();
        count += 1 + (item->is_structured() ? item->size() : 0);
        if (count > 2 * MAX_VALUES) {
            throw ManifestError("", "received more than " + std::to_string(MAX_VALUES) + " values, expected fewer");
        }
        if (depth > MAX_DEPTH) {
            throw ManifestError(
                first_characters(where, MAX_WHERE),
                "received values nested deeper than " + std::to_string(MAX_DEPTH) + ", expected flat records");
        }
        if (item->is_object()) {
            for (const auto& [key, below] : item->items()) {
                check_text(where, Json(key));
                open.push_back({where.empty() ? key : where + "." + key, &below, depth + 1});
            }
        } else if (item->is_array()) {
            for (std::size_t number = 0; number < item->size(); ++number) {
                open.push_back({numbered(where, number), &(*item)[number], depth + 1});
            }
        } else {
            check_scalar(where, *item);
        }
    }
}

const Json& mapping_of(const Json& value, std::size_t limit) {
    if (!value.is_object()) throw unexpected("", value, "an object");
    if (value.size() > limit) {
        throw ManifestError(
            "", "received " + std::to_string(value.size()) + " keys, expected at most " + std::to_string(limit));
    }
    return value;
}

const Json& record_of(const Json& value, const Keys& required, const Keys& optional) {
    mapping_of(value, 10'000);
    for (const std::string_view key : required) {
        if (!value.contains(key)) {
            throw ManifestError("", "received no key " + repr(key) + ", expected the keys " + joined(required));
        }
    }
    for (const auto& [key, member] : value.items()) {
        if (std::ranges::find(required, key) != required.end() || std::ranges::find(optional, key) != optional.end()) {
            continue;
        }
        std::vector<std::string_view> known(required);
        known.insert(known.end(), optional.begin(), optional.end());
        throw ManifestError("",
                            "received the unknown key " + shortened(Json(key)) + ", expected only " + joined(known));
    }
    return value;
}

const Json& list_of(std::string_view where, const Json& value, std::size_t limit) {
    if (!value.is_array()) throw unexpected(where, value, "a list");
    if (value.size() > limit) {
        throw ManifestError(std::string(where), "received " + std::to_string(value.size()) +
                                                    " values, expected at most " + std::to_string(limit));
    }
    return value;
}

std::int64_t check_int(std::string_view where, const Json& value, std::int64_t low, std::int64_t high) {
    if (value.is_number_integer()) {
        const auto number = value.get<std::int64_t>();
        if (low <= number && number <= high) return number;
    }
    throw unexpected(where, value, "an integer from " + std::to_string(low) + " to " + std::to_string(high));
}

double check_number(std::string_view where, const Json& value, double low, double high) {
    if (value.is_number()) {
        const auto number = value.get<double>();
        if (std::isfinite(number) && low <= number && number <= high) return number;
    }
    std::string expected = "a finite number";
    if (std::isfinite(low)) expected += " of at least " + general(low);
    if (std::isfinite(high)) expected += " and at most " + general(high);
    throw unexpected(where, value, expected);
}

const std::string& check_text(std::string_view where, const Json& value, std::size_t limit) {
    if (value.is_string()) {
        const auto& text = value.get_ref<const std::string&>();
        if (is_short_printable(text, limit)) return text;
    }
    throw unexpected(where, value, "printable text of at most " + std::to_string(limit) + " characters");
}

const std::string& check_pattern(std::string_view where, const Json& value, Pattern pattern, std::string_view expected,
                                 std::size_t limit) {
    if (value.is_string()) {
        const auto& text = value.get_ref<const std::string&>();
        if (text.size() <= limit && pattern(text)) return text;
    }
    throw unexpected(where, value, std::string(expected) + ", at most " + std::to_string(limit) + " characters");
}

const std::string& check_label(std::string_view where, const Json& value) {
    return check_pattern(where, value, is_label, "lower-case letters and digits joined by single '-', '_', '.' or '+'");
}

bool is_label(std::string_view text) { return is_joined(text, "-_.+"); }

bool is_identifier(std::string_view text) {
    return !text.empty() && is_letter(text.front()) &&
           std::ranges::all_of(text, [](char c) { return is_letter(c) || is_digit(c) || c == '_'; });
}

Items sorted_items(const Json& value, std::size_t limit, std::size_t length) {
    mapping_of(value, limit);
    Items items;
    for (const auto& [key, member] : value.items()) items.emplace_back(key, &member);
    std::ranges::sort(items, {}, &Items::value_type::first);
    for (const auto& [key, member] : items) {
        if (length != ANY_LENGTH) check_text("", Json(key), length);
    }
    return items;
}

}  // namespace latentlink
