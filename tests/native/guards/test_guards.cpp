// The guards give Python's verdicts, in its words and with its numbers to the last bit.

#include <doctest/doctest.h>

#include "guards/guard.h"
#include "recipes.h"
#include "vectors.h"
#include "vocabulary/errors.h"

using namespace latentlink;

namespace {

const Json& vectors() {
    static const Json read = read_json("guards.json");
    return read;
}

Level level_of(const Json& given) { return {given.at("level").at(0), given.at("level").at(1)}; }

Margin margin_named(const Json& name) {
    return name == "generated" ? GENERATED : name == "hurried" ? HURRIED : ENCODED;
}

std::vector<LatentRange> ranges_of(const Json& given) {
    std::vector<LatentRange> ranges;
    for (const Json& one : given.at("ranges")) ranges.push_back(LatentRange::from_json(one));
    return ranges;
}

Json numbers_of(const std::vector<std::pair<std::string, double>>& numbers) {
    Json listed = Json::object();
    for (const auto& [name, value] : numbers) listed[name] = value;
    return listed;
}

Json said(const std::optional<Fault>& fault) {
    return fault ? Json{{"found", fault->found}, {"numbers", numbers_of(fault->numbers)}} : Json();
}

Unusual unusual_of(const Json& record) {
    const Json& value = record.at("value");
    SettingValue read;
    if (value.is_array()) read = value.get<std::vector<double>>();
    if (value.is_string()) read = value.get<std::string>();
    if (value.is_number_integer()) read = value.get<std::int64_t>();
    if (value.is_number_float()) read = value.get<double>();
    return {record.at("setting"), read, record.at("usual")};
}

// An entry of a list of the file, by its place.
const Json& entry(const char* list, const Json& place) { return vectors().at(list).at(place.get<std::size_t>()); }

// What a call of a guard refuses; null if nothing.
Json refused(const Json& given) {
    Guard guard = {.on = given.at("on"), .ranges = ranges_of(given)};
    for (const Json& place : given.at("unusual")) guard.unusual.push_back(unusual_of(entry("unusual", place)));
    const std::string check = given.at("check"), stage = given.at("stage");
    try {
        if (check == "pictures") {
            std::vector<Array> pictures;
            for (const Json& place : given.at("arrays"))
                pictures.push_back(picture_of(entry("pictures", place).at("picture")));
            guard.pictures(stage, pictures, given.at("clean"));
        } else if (check == "embedding") {
            guard.embedding(stage, latents_of(given.at("arrays")));
        } else {
            std::vector<Margin> margins;
            for (const Json& name : given.at("margins")) margins.push_back(margin_named(name));
            guard.latents(stage, latents_of(given.at("arrays")), level_of(given), margins, given.at("generated"));
        }
    } catch (const GuardError& error) {
        CHECK(error.status() == Status::output_failed_guard);
        const GuardError::Finding& finding = error.finding();
        Json unusual = Json::object();
        for (const auto& [name, value] : finding.unusual) unusual[name] = value;
        return {{"message", finding.message}, {"stage", finding.stage},   {"numbers", numbers_of(finding.numbers)},
                {"cause", finding.cause},     {"remedy", finding.remedy}, {"unusual", unusual}};
    }
    return {};
}

}  // namespace

TEST_CASE("pictures have the faults that Python finds, and the same roughness and agreement") {
    for (const Json& given : vectors().at("pictures")) {
        CAPTURE(given.dump());
        const Array picture = picture_of(given.at("picture"));
        CHECK(said(picture_fault(picture, given.at("clean"))) == given.at("fault"));
        if (!given.contains("roughness")) continue;
        CHECK(roughness(picture) == given.at("roughness").get<double>());
        CHECK(agreement(picture) == given.at("agreement").get<double>());
    }
}

TEST_CASE("latents have the faults that Python finds, with the same numbers") {
    for (const Json& given : vectors().at("latents")) {
        CAPTURE(given.dump());
        const auto fault = range_fault(latent_of(given.at("latent")), ranges_of(given), level_of(given),
                                       margin_named(given.at("margin")), given.at("generated"));
        CHECK(said(fault) == given.at("fault"));
    }
}

TEST_CASE("guards refuse what Python's refuse, in the same words") {
    for (const Json& given : vectors().at("guards")) {
        CAPTURE(given.dump());
        CHECK(refused(given) == given.at("finding"));
    }
}

TEST_CASE("fewer steps than usual have the wider margin") {
    for (const Json& given : vectors().at("margins")) {
        const Margin margin = generated_margin(given.at("steps"), given.at("usual"));
        CHECK(Json{{"low", margin.low}, {"high", margin.high}, {"channel", margin.channel}} == given.at("margin"));
    }
}

TEST_CASE("a guard is on or off") {
    CHECK(Guard::of("on", {}).on);
    CHECK_FALSE(Guard::of("off", {}).on);
    CHECK_THROWS_AS(Guard::of("offf", {}), UsageError);
}
