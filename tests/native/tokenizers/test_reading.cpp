// What a bundle's tokenizer.json may hold: what is refused is named as Python names it.

#include <doctest/doctest.h>

#include "tokenizer_vectors.h"
#include "tokenizers/failure.h"
#include "tokenizers/fields.h"
#include "tokenizers/patterns.h"

using namespace latentlink;

namespace {

// What is wrong with a file; empty if it is read.
std::string problem_of(const std::string& text) {
    try {
        read_tokenizer(text);
    } catch (const TokenizerFormatError& error) {
        return error.message();
    }
    return "";
}

std::string repeated(const std::string& text, std::size_t times) {
    std::string made;
    for (std::size_t i = 0; i < times; ++i) made += text;
    return made;
}

// Why no tokenizer can be made of a file that was read.
std::string failure_of(const Json& record) {
    try {
        Tokenizer{read_tokenizer(record.dump())};
    } catch (const TokenizerError& error) {
        return error.message();
    }
    return "";
}

Json sample() { return named(token_vectors().at("tokenizers"), "clip").at("is"); }

}  // namespace

TEST_CASE("a file that a bundle may not have is refused in the same words") {
    for (const Json& one : token_vectors().at("refused")) {
        CAPTURE(one.at("text").get<std::string>().substr(0, 300));
        CHECK(problem_of(one.at("text")) == one.at("message").get<std::string>());
    }
}

TEST_CASE("a file without end is refused before it takes memory") {
    CHECK(problem_of("[" + repeated("[],", 5'000'000) + "1]").find("more than 8388608 values") != std::string::npos);
    CHECK(problem_of(std::string(MAX_TOKENIZER_BYTES + 1, ' ')).find("received 41943041 bytes") != std::string::npos);
    CHECK(problem_of(repeated("[", 1'000'000)).find("nested without end") != std::string::npos);
    CHECK(problem_of("\xFF").find("can't decode byte 0xff in position 0: invalid start byte") != std::string::npos);
}

TEST_CASE("every expression of Python's table is known, and no other") {
    for (const Json& expression : token_vectors().at("patterns")) {
        CHECK(is_known_pattern(expression.get<std::string>()));
        CHECK(!is_known_pattern(expression.get<std::string>() + "+"));
    }
    CHECK(!is_known_pattern(""));
}

TEST_CASE("steps that the library does not take are refused") {
    Json record = sample();
    record["pre_tokenizer"] = {{"type", "ByteLevel"}, {"trim_offsets", true}};
    CHECK(failure_of(record) == "missing field `add_prefix_space`");
    record = sample();
    record["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "_"}, {"add_prefix_space", false}};
    CHECK(failure_of(record) == "add_prefix_space does not match declared prepend_scheme");
    record = sample();
    record["model"]["merges"] = {"r e", {"re", "d"}};
    CHECK(failure_of(record) == "data did not match any variant of untagged enum MergeType");
}

TEST_CASE("half of a surrogate pair is refused in what makes ids, and not elsewhere") {
    std::string text = sample().dump();
    text.insert(text.size() - 1, ",\"padding\":\"\\ud800\"");
    CHECK_NOTHROW(Tokenizer(read_tokenizer(text)));
    const std::size_t place = text.find("\"content\":\" \"");
    REQUIRE(place != std::string::npos);
    text.replace(place, 13, "\"content\":\"\\udfff\"");
    CHECK_THROWS_AS(Tokenizer(read_tokenizer(text)), TokenizerError);
}

TEST_CASE("of a key that is there several times, the last value counts, in the place of the first") {
    std::string many = "{";
    for (int i = 0; i < 40; ++i) many += "\"k" + std::to_string(i % 20) + "\":" + std::to_string(i) + ",";
    const FlatJson json = FlatJson::parse("{\"x\":" + many + "\"k0\":[{}]},\"a\":1,\"a\":2,\"b\":3,\"a\":4}");
    const FlatValue root = json.root(), inner = *root.find("x");
    CHECK(root.size() == 3);
    CHECK(root.find("a")->integer() == 4);
    CHECK(!root.find("c"));
    CHECK(inner.size() == 20);
    CHECK(inner.find("k0")->size() == 1);
    CHECK(inner.find("k7")->integer() == 27);
    std::string keys;
    for (const auto& [key, value] : root) keys += key;
    CHECK(keys == "xab");
    int count = 0;
    for (const auto& [key, value] : inner) CHECK(key == "k" + std::to_string(count++));
    CHECK(count == 20);
}
