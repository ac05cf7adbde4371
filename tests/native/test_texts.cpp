// Values in messages: as Python writes them.

#include <doctest/doctest.h>

#include "vocabulary/texts.h"

using namespace latentlink;
using namespace std::string_literals;

TEST_CASE("a number is written with as few digits as say it") {
    CHECK(repr(1.0) == "1.0");
    CHECK(repr(-0.0) == "-0.0");
    CHECK(repr(0.1) == "0.1");
    CHECK(repr(1e-4) == "0.0001");
    CHECK(repr(1e-5) == "1e-05");
    CHECK(repr(123456789012345.0) == "123456789012345.0");
    CHECK(repr(1e16) == "1e+16");
    CHECK(repr(1.5e300) == "1.5e+300");
}

TEST_CASE("a text is quoted so that it can be read back") {
    CHECK(repr("plain"s) == "'plain'");
    CHECK(repr("it's"s) == "\"it's\"");
    CHECK(repr("it's \"so\""s) == "'it\\'s \"so\"'");
    CHECK(repr("a\tb\nc\\\x01"s) == "'a\\tb\\nc\\\\\\x01'");
}

TEST_CASE("JSON is written as Python's values") {
    CHECK(repr(Json::parse(R"({"b": [1, 2.0, null], "a": true})")) == "{'b': [1, 2.0, None], 'a': True}");
}

TEST_CASE("nested JSON is cut, however deep") {
    Json deep;
    for (int i = 0; i < 1000; ++i) deep = Json::array({deep});
    CHECK(repr(deep).find("...") != std::string::npos);
}

TEST_CASE("a long text is cut after 120 characters, not bytes") {
    std::string text;
    for (int i = 0; i < 200; ++i) text += "ö";
    const std::string cut = shown(text);
    CHECK(cut.size() == 1 + 2 * 119 + 3);
    CHECK(cut.ends_with("ö..."));
}
