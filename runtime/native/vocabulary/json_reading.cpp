#include "vocabulary/json_reading.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "vocabulary/utf8.h"

namespace latentlink {

namespace {

constexpr std::string_view BYTE_ORDER_MARK = "\xEF\xBB\xBF";
constexpr std::size_t MAX_DIGITS = 4300;  // of an integer that Python makes of text

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_surrogate(char32_t character, char32_t first) { return (character & ~char32_t{0x3FF}) == first; }

// The double nearest to a number's text; infinite or zero where that is out of range.
double to_double(std::string_view text) {
    double value = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
    if (result.ec != std::errc::result_out_of_range) return value;
    // The power of ten of the first digit that is not 0 says which.
    const bool negative = text.front() == '-';
    const std::size_t mark = text.find_first_of("eE");
    const std::string_view digits = text.substr(0, mark);
    const std::size_t point = std::min(digits.find('.'), digits.size());
    const std::size_t first = digits.find_first_of("123456789");
    std::int64_t exponent = 0;
    if (mark != std::string_view::npos) {
        std::string_view power = text.substr(mark + 1);
        if (power.front() == '+') power.remove_prefix(1);
        if (std::from_chars(power.data(), power.data() + power.size(), exponent).ec != std::errc()) {
            exponent = power.front() == '-' ? -(std::int64_t{1} << 60) : std::int64_t{1} << 60;
        }
    }
    const auto lead = static_cast<std::int64_t>(point) - static_cast<std::int64_t>(first);
    const double size = lead + exponent > 0 ? std::numeric_limits<double>::infinity() : 0.0;
    return negative ? -size : size;
}

// A parser with the order of checks of CPython's scanner (Modules/_json.c), so that the first fault is the same one.
class Reader {
  public:
    Reader(std::string_view text, JsonEvents& events) : text_(text), events_(events) {}

    void read() {
        if (const auto fault = utf8_fault(text_)) throw JsonError(JsonError::Cause::text, fault->message(text_));
        if (text_.starts_with(BYTE_ORDER_MARK)) fail("Unexpected UTF-8 BOM (decode using utf-8-sig)", 0);
        skip();
        do {
            while (opens()) {
            }
            value();
        } while (more());
        skip();
        if (place_ < text_.size()) fail("Extra data", place_);
    }

  private:
    [[noreturn]] void fail(const std::string& what, std::size_t place) const {
        const std::string_view before = text_.substr(0, place);
        const std::size_t newline = before.rfind('\n');
        const std::string_view line = newline == std::string_view::npos ? before : before.substr(newline + 1);
        throw JsonError(JsonError::Cause::text, what + ": line " +
                                                    std::to_string(std::ranges::count(before, '\n') + 1) + " column " +
                                                    std::to_string(character_count(line) + 1) + " (char " +
                                                    std::to_string(character_count(before)) + ")");
    }

    bool at(char c) const { return place_ < text_.size() && text_[place_] == c; }

    bool take(std::string_view word) {
        if (!text_.substr(place_).starts_with(word)) return false;
        place_ += word.size();
        return true;
    }

    void skip() { place_ = std::min(text_.find_first_not_of(" \t\n\r", place_), text_.size()); }

    // Whether an object or array begins here that is not empty; up to its first value, it is read.
    bool opens() {
        const bool object = at('{');
        if (!object && !at('[')) return false;
        if (open_.size() == MAX_JSON_NESTING) throw JsonError(JsonError::Cause::nested, "");
        ++place_;
        open_.push_back(object);
        object ? events_.begin_object() : events_.begin_array();
        skip();
        if (at(object ? '}' : ']')) {
            closed_ = true;
            return false;
        }
        if (object) key();
        return true;
    }

    // Read up to the next value; false at the end of the outermost one.
    bool more() {
        while (!open_.empty()) {
            const bool object = open_.back();
            skip();
            if (at(object ? '}' : ']')) {
                ++place_;
                open_.pop_back();
                object ? events_.end_object() : events_.end_array();
                continue;
            }
            if (!at(',')) fail("Expecting ',' delimiter", place_);
            ++place_;
            skip();
            if (object) key();
            return true;
        }
        return false;
    }

    void key() {
        if (!at('"')) fail("Expecting property name enclosed in double quotes", place_);
        std::string name = string();
        events_.key(name);
        skip();
        if (!at(':')) fail("Expecting ':' delimiter", place_);
        ++place_;
        skip();
    }

    void value() {
        if (std::exchange(closed_, false)) return;  // an empty object or array, which `more` closes
        if (at('"')) {
            std::string text = string();
            return events_.string(text);
        }
        if (take("null")) return events_.null();
        if (take("true")) return events_.boolean(true);
        if (take("false")) return events_.boolean(false);
        for (const std::string_view constant : {"NaN", "Infinity", "-Infinity"}) {
            if (take(constant)) return events_.constant(constant);
        }
        number();
    }

    // The place after the digits that begin at `place`.
    std::size_t after_digits(std::size_t place) const {
        while (place < text_.size() && is_digit(text_[place])) ++place;
        return place;
    }

    void number() {
        const std::size_t begin = place_, first = begin + at('-');
        const std::size_t whole = first < text_.size() && text_[first] == '0' ? first + 1 : after_digits(first);
        if (whole == first) fail("Expecting value", begin);
        std::size_t end = whole;
        if (end < text_.size() && text_[end] == '.' && after_digits(end + 1) > end + 1) end = after_digits(end + 1);
        if (end < text_.size() && (text_[end] == 'e' || text_[end] == 'E')) {
            std::size_t power = end + 1;
            if (power < text_.size() && (text_[power] == '+' || text_[power] == '-')) ++power;
            if (after_digits(power) > power) end = after_digits(power);
        }
        place_ = end;
        const std::string_view text = text_.substr(begin, end - begin);
        end == whole ? integer(text, whole - first) : events_.number(to_double(text));
    }

    void integer(std::string_view text, std::size_t digits) {
        std::int64_t value = 0;
        if (std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc()) {
            return events_.integer(value);
        }
        if (digits > MAX_DIGITS) {
            throw JsonError(JsonError::Cause::text,
                            "Exceeds the limit (" + std::to_string(MAX_DIGITS) +
                                " digits) for integer string conversion: value has " + std::to_string(digits) +
                                " digits; use sys.set_int_max_str_digits() to increase the limit");
        }
        events_.large_integer(text);
    }

    std::string string() {
        const std::size_t begin = place_++;
        std::string read;
        for (;;) {
            const std::size_t chunk = place_;
            while (place_ < text_.size() && text_[place_] != '"' && text_[place_] != '\\') {
                if (static_cast<unsigned char>(text_[place_]) < 0x20) fail("Invalid control character at", place_);
                ++place_;
            }
            if (place_ == text_.size()) fail("Unterminated string starting at", begin);
            read += text_.substr(chunk, place_ - chunk);
            if (text_[place_++] == '"') return read;
            if (place_ == text_.size()) fail("Unterminated string starting at", begin);
            escape(read);
        }
    }

    // Read what follows a backslash.
    void escape(std::string& into) {
        constexpr std::string_view letters = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
        if (at('u')) return unicode(into);
        const std::size_t found = letters.find(text_[place_]);
        if (found == std::string_view::npos) fail("Invalid \\escape", place_ - 1);
        into += meanings[found];
        ++place_;
    }

    void unicode(std::string& into) {
        char32_t character = digits();
        const std::size_t after = place_;
        if (is_surrogate(character, 0xD800) && text_.size() - after > 6 && take("\\") && at('u')) {
            const char32_t second = digits();
            if (is_surrogate(second, 0xDC00)) {
                return append_utf8(into, 0x10000 + ((character & 0x3FF) << 10 | (second & 0x3FF)));
            }
        }
        place_ = after;
        append_utf8(into, character);
    }

    // The four hexadecimal digits after the `u` that is here; the text does not end with them.
    char32_t digits() {
        const std::size_t begin = place_++;
        if (text_.size() - place_ <= 4) fail("Invalid \\uXXXX escape", begin);
        char32_t character = 0;
        const char* const first = text_.data() + place_;
        const bool hexadecimal = std::all_of(
            first, first + 4, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); });
        if (!hexadecimal) fail("Invalid \\uXXXX escape", begin);
        std::uint32_t code = 0;
        std::from_chars(first, first + 4, code, 16);
        character = code;
        place_ += 4;
        return character;
    }

    std::string_view text_;
    JsonEvents& events_;
    std::size_t place_ = 0;
    std::vector<bool> open_ = {};  // of the objects (true) and arrays around this place
    bool closed_ = false;          // the innermost of them is empty, and ends here
};

// Builds a value. A value that is open stays where it is, as only the innermost one grows.
class Tree final : public JsonEvents {
  public:
    explicit Tree(JsonRules rules) : rules_(rules) {}

    Json take() { return std::move(root_); }

    void null() override { add(nullptr); }
    void boolean(bool value) override { add(value); }
    void integer(std::int64_t value) override { add(value); }
    void large_integer(std::string_view digits) override {
        add(Json::binary(std::vector<std::uint8_t>(digits.begin(), digits.end())));
    }
    void number(double value) override { add(value); }
    void constant(std::string_view name) override {
        if (!rules_.constants) throw JsonError(JsonError::Cause::constant, std::string(name));
        const double infinity = std::numeric_limits<double>::infinity();
        add(name == "NaN" ? std::numeric_limits<double>::quiet_NaN() : name.front() == '-' ? -infinity : infinity);
    }
    void string(std::string& value) override { add(std::move(value)); }
    void begin_object() override { open_.push_back(&add(Json::object())); }
    void key(std::string& name) override { key_ = std::move(name); }
    void begin_array() override { open_.push_back(&add(Json::array())); }
    void end_array() override { open_.pop_back(); }
    void end_object() override {
        settle(open_.back()->get_ref<Json::object_t&>());
        open_.pop_back();
    }

  private:
    Json& add(Json value) {
        if (open_.empty()) return root_ = std::move(value);
        if (open_.back()->is_array()) {
            auto& values = open_.back()->get_ref<Json::array_t&>();
            return values.emplace_back(std::move(value));
        }
        auto& members = open_.back()->get_ref<Json::object_t&>();
        return static_cast<Json::object_t::Container&>(members).emplace_back(std::move(key_), std::move(value)).second;
    }

    // Refuse keys that are there twice, or let the last of them count.
    void settle(Json::object_t& members) const {
        std::unordered_map<std::string_view, std::size_t> last;
        for (const auto& [name, value] : members) {
            if (!last.emplace(name, last.size()).second && rules_.keys_once) {
                throw JsonError(JsonError::Cause::repeated, name);
            }
        }
        if (last.size() == members.size()) return;
        std::vector<Json*> kept(last.size());
        for (auto& [name, value] : members) kept[last[name]] = &value;
        Json::object_t settled;
        for (auto& [name, value] : members) {
            Json*& found = kept[last[name]];
            if (found == nullptr) continue;
            static_cast<Json::object_t::Container&>(settled).emplace_back(name,
                                                                          std::move(*std::exchange(found, nullptr)));
        }
        members.swap(settled);
    }

    JsonRules rules_;
    Json root_;
    std::vector<Json*> open_ = {};
    std::string key_ = {};
};

}  // namespace

void read_json(std::string_view bytes, JsonEvents& events) { Reader(bytes, events).read(); }

Json parse_json(std::string_view bytes, JsonRules rules) {
    Tree tree(rules);
    read_json(bytes, tree);
    return tree.take();
}

std::string large_integer(const Json& value) {
    if (!value.is_binary()) return "";
    const auto& digits = value.get_binary();
    return {digits.begin(), digits.end()};
}

}  // namespace latentlink
