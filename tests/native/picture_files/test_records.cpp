// Records and texts: what the Python runtime reads and writes, word by word.

#include <doctest/doctest.h>

#include <cmath>

#include "../vectors.h"
#include "picture_files/parameters.h"
#include "picture_files/record_reader.h"
#include "picture_files/remaking.h"
#include "vocabulary/errors.h"
#include "vocabulary/json_reading.h"
#include "vocabulary/texts.h"

using namespace latentlink;

namespace {

const char* const PATH = "it's a.png";

Json vectors(const char* key) { return read_json("picture_records.json").at(key); }

// Numbers that JSON lacks, as texts; integers of more than 64 bits as the test's reader has them.
Json plain(const Json& value) {
    if (value.is_number_float() && !std::isfinite(value.get<double>())) return repr(value.get<double>());
    if (value.is_binary()) return std::stod(large_integer(value));
    if (!value.is_structured()) return value;
    Json made = value;
    for (Json& one : made) one = plain(one);
    return made;
}

// The names and values of an object, since their order counts.
Json listed(const Json& object) {
    Json made = Json::array();
    for (const auto& [name, value] : object.items()) made.push_back({name, plain(value)});
    return made;
}

template <typename Ask>
Json answer(Ask ask) {
    try {
        return {{"answer", ask()}};
    } catch (const UsageError& error) {
        return {{"message", error.message()}, {"remedy", error.remedy()}};
    }
}

Json options(const PictureFile& file) {
    return answer([&file] { return listed(options_of(file)); });
}

PictureFile with_record(const Record& record) {
    return {.path = PATH, .format = "PNG", .width = 8, .height = 8, .record = record};
}

Record record_number(const Json& place) {
    return read_record(vectors("records").at(place.get<std::size_t>()).at("text").get<std::string>());
}

}  // namespace

TEST_CASE("every record is read, and written again as the same text") {
    const Json cases = vectors("records");
    REQUIRE(cases.size() > 15);
    for (const Json& given : cases) {
        const Record record = read_record(given.at("text").get<std::string>());
        CHECK(record.to_text() == given.at("text").get<std::string>());
        CHECK(parameters_of(record).to_text() == given.at("parameters").get<std::string>());
        CHECK(options(with_record(record)).dump() == given.at("options").dump());
    }
}

TEST_CASE("texts that stand for records are read or refused in the same words") {
    const Json cases = vectors("record_texts");
    REQUIRE(cases.size() > 150);
    for (const Json& given : cases) {
        const auto text = given.at("text").get<std::string>();
        CAPTURE(text);
        Json expected = given;
        expected.erase("text");
        CHECK(answer([&text] { return Json(read_record(text).to_text()); }).dump() == expected.dump());
    }
}

TEST_CASE("texts of web UIs are taken apart in the same way") {
    for (const Json& given : vectors("texts")) {
        const auto text = given.at("text").get<std::string>();
        CAPTURE(text);
        const auto read = read_parameters(text);
        Json made;
        if (read) {
            const auto left_out = left_out_levels(*read);
            made = {{"prompt", read->prompt},
                    {"negative_prompt", read->negative_prompt},
                    {"settings", read->settings},
                    {"text", read->to_text()},
                    {"left_out", left_out ? Json(*left_out) : Json()}};
        }
        CHECK(made.dump() == given.at("parameters").dump());
        CHECK(options({.path = PATH, .format = "PNG", .width = 8, .height = 8, .text = text}).dump() ==
              given.at("options").dump());
    }
}

TEST_CASE("values of settings are quoted where they could be taken for the next one") {
    for (const Json& given : vectors("values")) {
        const Parameters parameters{.prompt = "", .negative_prompt = "", .settings = {{"a", given.at("value")}}};
        CHECK(parameters.settings_line() == given.at("line").get<std::string>());
    }
}

TEST_CASE("options given in place of a picture's drop those that belong to them") {
    for (const Json& given : vectors("overridden")) {
        CAPTURE(given.dump());
        const Json made = overridden(options_of(with_record(record_number(given.at("record")))), given.at("given"));
        CHECK(listed(made).dump() == given.at("options").dump());
    }
}

TEST_CASE("what is different from when a picture was made is told in the same sentences") {
    for (const Json& given : vectors("differences")) {
        CAPTURE(given.dump());
        CHECK(Json(differences(record_number(given.at("recorded")), record_number(given.at("made")))) ==
              given.at("sentences"));
    }
}

TEST_CASE("both runtimes have one version") { CHECK(vectors("version") == VERSION); }
