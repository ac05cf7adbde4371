// Symbols, spaces, and values as text: what Python says of them.

#include <algorithm>

#include "../asking.h"
#include "vocabulary/amounts.h"
#include "vocabulary/bundle_names.h"
#include "vocabulary/checks.h"
#include "vocabulary/json_writing.h"
#include "vocabulary/ports.h"
#include "vocabulary/spaces.h"

using namespace latentlink;

namespace {

Json vocabulary(const char* what) {
    static const Json read = read_json("vocabulary.json");
    return read.at(what);
}

Json to_json(const Port& port) {
    Json layout = Json::array();
    for (const auto& [letter, size] : port.layout) layout.push_back({std::string(1, letter), size});
    return {{"kind", port.kind},     {"name", port.name}, {"layout", layout},      {"dtype", name_of(port.dtype)},
            {"digest", port.digest}, {"slot", port.slot}, {"shape", Json::array()}};
}

}  // namespace

TEST_CASE("a tensor's name is read as a symbol, or refused, as Python does") {
    for (const Json& question : vocabulary("symbols")) {
        const auto text = question.at("given").get<std::string>();
        check_answer(question, [&] { return to_json(Port::parse(text)); });
        if (question.contains("answer")) CHECK(Port::parse(text).tensor() == text);
    }
}

TEST_CASE("the record of a space is read, or refused, as Python does") {
    for (const Json& question : vocabulary("spaces")) {
        check_answer(question, [&] {
            const LatentSpace space = LatentSpace::from_json(question.at("given"));
            CHECK(LatentSpace::from_json(space.to_json()) == space);
            return Json{{"record", space.to_json()},
                        {"digest", space.digest()},
                        {"numbers", space.numbers()},
                        {"symbol", latent_port(space).symbol()}};
        });
    }
}

TEST_CASE("the record of a text embedding is read, or refused, as Python does") {
    for (const Json& question : vocabulary("texts")) {
        check_answer(question, [&] {
            const TextEmbedding text = TextEmbedding::from_json(question.at("given"));
            return Json{{"record", text.to_json()},
                        {"digest", text.digest()},
                        {"numbers", text.numbers()},
                        {"symbol", text_port(text).symbol()}};
        });
    }
}

TEST_CASE("the published spaces are those of Python") {
    const Json known = vocabulary("known");
    CHECK(known.size() == 12);
    for (auto item = known.begin(); item != known.end(); ++item) {
        CAPTURE(item.key());
        const LatentSpace* space = known_space(item.key());
        REQUIRE(space != nullptr);
        CHECK(space->digest() == item.value().get<std::string>());
    }
    CHECK(known_space("another") == nullptr);
    CHECK(image_port().symbol() == vocabulary("image").get<std::string>());
}

TEST_CASE("a port has the sizes of its layout, and slots that are words") {
    const Port port = Port::parse("latent__sd__c4_f8__float32__1f0c9a2e");
    CHECK(port.size('f') == 8);
    CHECK_THROWS_WITH_AS(port.size('k'), "latent__sd__c4_f8__float32__1f0c9a2e has no 'k' in its layout.", UsageError);
    CHECK(port.at("noise").tensor() == "latent__sd__c4_f8__float32__1f0c9a2e__noise");
    CHECK(port.at("noise").symbol() == port.symbol());
    CHECK_THROWS_AS(port.at("Noise"), UsageError);
    Port wrong = port;
    wrong.layout = {{'c', 0}};
    CHECK_THROWS_WITH_AS(Port::checked(wrong), "(('c', 0),) cannot be a port's layout: letters with positive sizes.",
                         UsageError);
}

TEST_CASE("JSON is written as Python writes it") {
    for (const Json& question : vocabulary("values")) {
        const Json& value = question.at("given");
        CHECK(dumps(value) == question.at("text").get<std::string>());
        CHECK(dumps(value, {.compact = true, .ascii = false}) == question.at("plain").get<std::string>());
        CHECK(dumps(value, {.sorted = true, .compact = true}) == question.at("sorted").get<std::string>());
        CHECK(digest_of(Json{{"", value}}) == question.at("digest").get<std::string>());
    }
    Json deep;
    for (int i = 0; i < 300; ++i) deep = Json::array({deep});
    CHECK_THROWS_AS(dumps(deep), std::invalid_argument);
    CHECK_THROWS_AS(dumps(Json(1.0 / 0.0)), std::invalid_argument);
    CHECK_THROWS_AS(dumps(Json("\xff")), std::invalid_argument);
}

TEST_CASE("amounts, paths and choices are worded as in Python") {
    for (const Json& question : vocabulary("amounts")) {
        CHECK(bytes_in_words(question.at("given").get<std::int64_t>()) == question.at("answer").get<std::string>());
    }
    for (const Json& question : vocabulary("paths")) {
        check_answer(question, [&] { return path_of("path", question.at("given").get<std::string>()).string(); });
    }
    for (const Json& question : vocabulary("choices")) {
        check_answer(question, [&] { return choice("bundle", question.at("given").get<std::string>(), SHIPPED); });
    }
    CHECK_THROWS_WITH_AS(check_threads(0), "threads is 0; expected a whole number from 1 to 1024.", UsageError);
    CHECK_THROWS_AS(byte_count("budget", 0), UsageError);
    CHECK(byte_count("budget", std::int64_t{1} << 40) == std::int64_t{1} << 40);
}
