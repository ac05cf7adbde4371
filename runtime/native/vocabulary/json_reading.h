// JSON of files that are not trusted, read as Python's `json.loads` reads it: the same verdicts in the same words.
//
// nlohmann's own parser differs: it refuses 1e999 and `\ud800`, rounds integers beyond 64 bits, and has other messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "vocabulary/errors.h"
#include "vocabulary/json.h"

namespace latentlink {

// Levels of arrays and objects, about as many as Python's parser has room for.
inline constexpr std::size_t MAX_JSON_NESTING = 900;

// Text that is not the JSON that was asked for. Readers turn it into their own error; its message is for none.
class JsonError final : public UsageError {
  public:
    enum class Cause {
        text,      // no UTF-8, or no JSON; the detail is what Python says: `Expecting value: line 1 column 1 (char 0)`
        constant,  // NaN, Infinity or -Infinity, which is the detail
        repeated,  // an object has a key twice, which is the detail
        nested,    // deeper than MAX_JSON_NESTING
    };

    JsonError(Cause cause, std::string detail)
        : UsageError("Received text that is no JSON: " + detail), cause_(cause), detail_(std::move(detail)) {}

    Cause cause() const noexcept { return cause_; }
    const std::string& detail() const noexcept { return detail_; }

  private:
    Cause cause_;
    std::string detail_;
};

// What `read_json` finds, in the order of the text. Strings are UTF-8 and may be moved from; a lone surrogate is in
// them as in utf8.h.
class JsonEvents {
  public:
    virtual ~JsonEvents() = default;
    virtual void null() = 0;
    virtual void boolean(bool value) = 0;
    virtual void integer(std::int64_t value) = 0;
    virtual void large_integer(std::string_view digits) = 0;  // beyond 64 bits; at most 4300 digits, and a sign
    virtual void number(double value) = 0;                    // infinite where the text is beyond a double: 1e999
    virtual void constant(std::string_view name) = 0;         // NaN, Infinity, -Infinity
    virtual void string(std::string& value) = 0;
    virtual void begin_object() = 0;
    virtual void key(std::string& name) = 0;
    virtual void end_object() = 0;
    virtual void begin_array() = 0;
    virtual void end_array() = 0;
};

// Read one value, which is all of the text. Takes no memory beside the events' own.
// Throws JsonError: text or nested; and what the events throw.
void read_json(std::string_view bytes, JsonEvents& events);

struct JsonRules {
    bool keys_once = true;   // refuse a key that an object has twice; else the last one counts, in the first's place
    bool constants = false;  // NaN, Infinity and -Infinity are numbers
};

// The same as a value. An integer that int64 cannot hold is a binary value of its digits, so that it is no number for
// those who ask, and `repr` can show it.
// Throws JsonError.
Json parse_json(std::string_view bytes, JsonRules rules = {});

// The digits of an integer that int64 cannot hold; empty for all other values.
std::string large_integer(const Json& value);

}  // namespace latentlink
