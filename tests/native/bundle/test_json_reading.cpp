// JSON as Python reads it: the same values, and the same words for what is wrong.

#include "../asking.h"
#include "vocabulary/json_reading.h"
#include "vocabulary/utf8.h"

using namespace latentlink;

namespace {

constexpr JsonRules LENIENT = {.keys_once = false, .constants = true};

JsonError::Cause cause_of(const std::string& text, JsonRules rules = {}) {
    try {
        parse_json(text, rules);
    } catch (const JsonError& error) {
        return error.cause();
    }
    throw std::runtime_error("accepted");
}

}  // namespace

TEST_CASE("texts are read and refused as Python does") {
    const Json questions = read_json("manifests.json").at("texts");
    CHECK(questions.size() > 80);
    for (const Json& question : questions) {
        CAPTURE(question.dump());
        try {
            // Python's `repr` has no end to its depth.
            const std::string shown = repr(parse_json(from_hex(question.at("bytes")), LENIENT));
            if (shown.find("...") == std::string::npos) CHECK(shown == question.value("answer", "refused"));
        } catch (const JsonError& error) {
            CHECK(error.detail() == question.value("message", "accepted"));
        }
    }
}

TEST_CASE("rules are kept") {
    CHECK(cause_of("NaN") == JsonError::Cause::constant);
    CHECK(cause_of("[-Infinity]") == JsonError::Cause::constant);
    CHECK(cause_of("{\"a\":1,\"b\":2,\"a\":3}") == JsonError::Cause::repeated);
    CHECK(cause_of("{\"a\":1,\"a\":[}") == JsonError::Cause::text);  // which comes before the object's end
    CHECK(parse_json("{\"a\":1,\"b\":2,\"a\":3}", LENIENT).dump() == "{\"a\":3,\"b\":2}");
}

TEST_CASE("nesting has an end") {
    const auto nested = [](std::size_t levels) { return std::string(levels, '[') + std::string(levels, ']'); };
    CHECK(parse_json(nested(MAX_JSON_NESTING)).is_array());
    CHECK(cause_of(nested(MAX_JSON_NESTING + 1)) == JsonError::Cause::nested);
    CHECK(cause_of(std::string(1'000'000, '[')) == JsonError::Cause::nested);
}

TEST_CASE("an integer beyond 64 bits is no number, and keeps its digits") {
    const Json value = parse_json("18446744073709551616");
    CHECK(!value.is_number());
    CHECK(large_integer(value) == "18446744073709551616");
    CHECK(repr(value) == "18446744073709551616");
    CHECK(parse_json("-9223372036854775808") == INT64_MIN);
    CHECK(large_integer(parse_json("9223372036854775807")).empty());
    CHECK(cause_of(std::string(4301, '1')) == JsonError::Cause::text);
}

TEST_CASE("characters are counted, taken and shown as Python does") {
    CHECK(character_count("aé\U0001F600") == 3);
    CHECK(first_characters("aé\U0001F600", 2) == "aé");
    CHECK(last_characters("aé\U0001F600", 1) == "\U0001F600");
    CHECK(utf8_replaced("a\xFF\xE2\x82z\xF0\x9F\x98") == "a\uFFFD\uFFFDz\uFFFD");
    CHECK(repr(std::string("\u202e\xC2\xAD\U000E0001\x1b")) == "'\\u202e\\xad\\U000e0001\\x1b'");
    CHECK(repr(std::string("\xFF")) == "'\\udcff'");
}
