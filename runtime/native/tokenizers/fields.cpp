#include "tokenizers/fields.h"

#include <algorithm>

#include "vocabulary/texts.h"
#include "vocabulary/utf8.h"

namespace latentlink {

namespace {

using Kind = FlatValue::Kind;

constexpr std::string_view FILL = "...";
constexpr std::size_t MAX_TEXT = 80, MAX_ITEMS = 4;
constexpr int MAX_LEVEL = 3;
constexpr std::size_t HEAD = (MAX_TEXT - FILL.size()) / 2, TAIL = MAX_TEXT - FILL.size() - HEAD;

std::string message_of(std::string_view where, std::string_view problem) {
    return "tokenizer.json" + std::string(where.empty() ? "" : ", ") + std::string(where) + ": " +
           std::string(problem) + ".";
}

std::string utf8_of(std::u32string_view text) {
    std::string made;
    for (const char32_t character : text) append_utf8(made, character);
    return made;
}

// A text without its middle.
std::string shortened(std::u32string_view text) {
    return utf8_of(text.substr(0, HEAD)) + std::string(FILL) + utf8_of(text.substr(text.size() - TAIL));
}

std::string short_repr(const FlatValue& value, int level);

std::string list_repr(const FlatValue& list, int level) {
    if (level <= 0 && list.size() > 0) return "[...]";
    std::string text = "[";
    std::size_t count = 0;
    for (const auto& [key, value] : list) {
        if (count > 0) text += ", ";
        if (count++ == MAX_ITEMS) {
            text += FILL;
            break;
        }
        text += short_repr(value, level - 1);
    }
    return text + "]";
}

std::string object_repr(const FlatValue& object, int level) {
    if (object.size() == 0) return "{}";
    if (level <= 0) return "{...}";
    std::vector<FlatValue::Member> members;
    for (const auto member : object) members.push_back(member);
    const auto shown = static_cast<std::ptrdiff_t>(std::min(members.size(), MAX_ITEMS));
    std::ranges::partial_sort(members, members.begin() + shown, {}, &FlatValue::Member::key);
    std::string text = "{";
    for (const auto& [key, value] : std::span(members).first(static_cast<std::size_t>(shown))) {
        text += (text.size() == 1 ? "" : ", ") + latentlink::short_repr(key) + ": " + short_repr(value, level - 1);
    }
    return text + (members.size() > MAX_ITEMS ? ", ...}" : "}");
}

std::string short_repr(const FlatValue& value, int level) {
    switch (value.kind()) {
        case Kind::null: return "None";
        case Kind::boolean: return value.boolean() ? "True" : "False";
        case Kind::integer: return std::to_string(value.integer());
        case Kind::number: return repr(value.number());
        case Kind::text: return latentlink::short_repr(value.text());
        case Kind::list: return list_repr(value, level);
        case Kind::object: return object_repr(value, level);
        case Kind::large_integer: break;
    }
    const std::u32string digits = characters(value.text());
    return digits.size() > MAX_TEXT ? shortened(digits) : std::string(value.text());
}

}  // namespace

TokenizerFormatError::TokenizerFormatError(std::string_view where, std::string_view problem)
    : BundleError(message_of(where, problem), "docs/bundle-format.md lists the tokenizers that a bundle may have.") {}

std::string short_repr(std::string_view text) {
    const std::u32string all = characters(text);
    const std::string begin = repr(utf8_of(all.substr(0, MAX_TEXT)));
    if (character_count(begin) <= MAX_TEXT) return begin;
    const std::size_t tail = all.size() > TAIL ? all.size() - TAIL : 0;
    return shortened(characters(repr(utf8_of(all.substr(0, HEAD) + all.substr(tail)))));
}

std::string short_repr(const FlatValue& value) { return short_repr(value, MAX_LEVEL); }

TokenizerFormatError unexpected(std::string_view where, const FlatValue& value, std::string_view expected) {
    return {where, "received " + short_repr(value) + ", expected " + std::string(expected)};
}

Check one_of(std::vector<Json> values) {
    return [values = std::move(values)](const std::string& where, const FlatValue& value) {
        std::string expected;
        for (const Json& one : values) {
            const bool same = one.is_null()      ? value.is_null()
                              : one.is_boolean() ? value.is(Kind::boolean) && value.boolean() == one.get<bool>()
                                                 : value.is(Kind::text) && value.text() == one.get<std::string_view>();
            if (same) return;
            expected += (expected.empty() ? "" : " or ") + (one.is_null() ? std::string("null") : repr(one));
        }
        throw unexpected(where, value, expected);
    };
}

Check flag() { return one_of({true, false}); }

Check text_of(std::size_t least, std::size_t most) {
    return [=](const std::string& where, const FlatValue& value) {
        if (value.is(Kind::text)) {
            const std::size_t count = character_count(value.text());
            if (least <= count && count <= most) return;
        }
        throw unexpected(where, value,
                         "text of " + std::to_string(least) + " to " + std::to_string(most) + " characters");
    };
}

Check optional(Check inner) {
    return [inner = std::move(inner)](const std::string& where, const FlatValue& value) {
        if (!value.is_null()) inner(where, value);
    };
}

Check whole_number(std::int64_t most) {
    return [most](const std::string& where, const FlatValue& value) {
        if (!value.is(Kind::integer) || value.integer() < 0 || value.integer() > most) {
            throw unexpected(where, value, "a whole number from 0 to " + std::to_string(most));
        }
    };
}

void check_items(std::string_view where, const FlatValue& value, std::size_t most) {
    if (!value.is(Kind::list)) throw unexpected(where, value, "a list");
    if (value.size() > most) {
        throw TokenizerFormatError(
            where, "received " + std::to_string(value.size()) + " values, expected at most " + std::to_string(most));
    }
}

void check_fields(const std::string& where, const FlatValue& value, std::span<const TokenizerField> known) {
    if (!value.is(Kind::object)) throw unexpected(where, value, "an object");
    for (const auto& [key, member] : value) {
        if (std::ranges::find(known, key, &TokenizerField::key) != known.end()) continue;
        std::string keys;
        for (const TokenizerField& field : known) keys += (keys.empty() ? "" : ", ") + std::string(field.key);
        throw TokenizerFormatError(where, "received the key " + short_repr(key) + ", expected only " + keys);
    }
    for (const auto& [key, check, required] : known) {
        if (const auto found = value.find(key)) {
            check(where.empty() ? std::string(key) : where + "." + std::string(key), *found);
        } else if (required) {
            throw TokenizerFormatError(where, "received no key " + std::string(key) + ", expected one");
        }
    }
}

}  // namespace latentlink
