// Names and refusals: those of the Python runtime, word by word.

#include <doctest/doctest.h>

#include "samplers/names.h"
#include "samplers/noise.h"
#include "samplers/schedules/schedule_fields.h"
#include "vectors.h"

using namespace latentlink;

namespace {

// The answer of a function as tests/vectors/write.py writes it.
template <typename Ask>
Json answer(Ask ask, const Json& given) {
    try {
        return {{"given", given}, {"answer", ask(given)}};
    } catch (const Error& error) {
        return {{"given", given},
                {"status", static_cast<int>(error.status())},
                {"message", error.message()},
                {"remedy", error.remedy()}};
    }
}

template <typename Ask>
void check_answers(const char* what, Ask ask) {
    const Json answers = read_json("answers.json").at(what);
    REQUIRE(!answers.empty());
    for (const Json& expected : answers) CHECK(answer(ask, expected.at("given")).dump() == expected.dump());
}

Json optional(const std::optional<std::string>& text) { return text ? Json(*text) : Json(); }

Json names(const Json& given) {
    GivenNames request{.sampler = given.at("sampler"), .steps = given.at("steps")};
    read(given, "spacing", request.spacing);
    read(given, "sigmas", request.sigmas);
    const OwnNames own = own_names(schedule_named(given.at("schedule")), request);
    return {{"sampler", own.sampler}, {"spacing", optional(own.spacing)}, {"sigmas", optional(own.sigmas)}};
}

}  // namespace

TEST_CASE("names of samplers, spacings and sigmas mean the same") { check_answers("own_names", names); }

TEST_CASE("requests of tables are refused in the same words") {
    check_answers("sampler_table", [](const Json& given) {
        sampler_table(schedule_named(given.at("schedule")), request_of(given));
        return Json();
    });
}

TEST_CASE("schedules are refused in the same words") {
    check_answers("read_schedule", [](const Json& given) {
        read_schedule(given);
        return Json();
    });
}

TEST_CASE("sources of noise are refused in the same words") {
    check_answers("noise_source", [](const Json& given) {
        noise_source(given.get<std::string>(), 0);
        return Json();
    });
}

TEST_CASE("statuses have the numbers of the command line") {
    const Json expected = {{"done", static_cast<int>(Status::done)},
                           {"failed", static_cast<int>(Status::failed)},
                           {"usage", static_cast<int>(Status::usage)},
                           {"link_refused", static_cast<int>(Status::link_refused)},
                           {"bundle_damaged", static_cast<int>(Status::bundle_damaged)},
                           {"engine_not_valid_here", static_cast<int>(Status::engine_not_valid_here)},
                           {"output_failed_guard", static_cast<int>(Status::output_failed_guard)},
                           {"interrupted", static_cast<int>(Status::interrupted)}};
    CHECK(read_json("answers.json").at("statuses").dump() == expected.dump());
}

TEST_CASE("web UIs have the same names for samplers") {
    const Json web_names = read_json("answers.json").at("web_names");
    for (const auto& [sampler, name] : web_names.items()) CHECK(web_name(sampler) == name.get<std::string>());
    CHECK(!web_name("ddpm"));
}

TEST_CASE("an error says what to do after what happened") {
    const UsageError error("Received a; expected b.", "Use b.");
    CHECK(std::string(error.what()) == "Received a; expected b. Use b.");
    CHECK(std::string(UsageError("Received a; expected b.").what()) == "Received a; expected b.");
    CHECK(error.status() == Status::usage);
}
