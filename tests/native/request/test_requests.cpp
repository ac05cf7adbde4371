// Requests: resolved to the values of the Python runtime, or refused in its words.

#include <doctest/doctest.h>

#include "answers.h"
#include "ports_alone.h"
#include "request/checks.h"
#include "request/inputs.h"
#include "request/limits.h"
#include "request/memory.h"
#include "request/resolved.h"

using namespace latentlink;

namespace {

constexpr std::array<std::string_view, 8> KINDS = {"whole",    "number",        "text",    "truth",
                                                   "interval", "named_numbers", "picture", "latents"};

Json texts(std::span<const std::string_view> listed) {
    Json made = Json::array();
    for (const std::string_view one : listed) made.push_back(one);
    return made;
}

Json json_of(const Option& option) {
    return {{"name", option.name},
            {"kind", KINDS.at(static_cast<std::size_t>(option.kind))},
            {"help", option.help},
            {"more", option.more},
            {"range", {option.least, option.most}},
            {"expected", option.expected},
            {"default", option.default_value()},
            {"default_text", option.default_text},
            {"switch", option.flag_name()},
            {"metavar", option.metavar},
            {"example", option.example},
            {"choices", texts(option.choices)},
            {"several", option.several},
            {"described", option.described()}};
}

Json json_of(const RequestConditions& conditions) {
    Json made = Json::object();
    for (const auto& [name, pair] : conditions) made[name] = {pair.first, pair.second};
    return made;
}

Json json_of(const Request& request) {
    const auto& interval = request.guidance_interval;
    return {{"prompt", request.prompt.substr(0, request.prompt.size() > 100 ? 20 : request.prompt.size())},
            {"negative_prompt", optional_json(request.negative_prompt)},
            {"seed", request.seed.to_json()},
            {"batch_seed", request.batch_seed},
            {"number", request.number},
            {"count", request.count},
            {"steps", request.steps},
            {"guidance", request.guidance},
            {"guidance_interval", interval ? Json{interval->first, interval->second} : Json()},
            {"step_cache", request.step_cache},
            {"sampler", request.sampler},
            {"spacing", optional_json(request.spacing)},
            {"sigmas", optional_json(request.sigmas)},
            {"shift", optional_json(request.shift)},
            {"eta", optional_json(request.eta)},
            {"width", request.width},
            {"height", request.height},
            {"noise", request.noise},
            {"strength", request.strength},
            {"denoising_start", optional_json(request.denoising_start)},
            {"denoising_end", optional_json(request.denoising_end)},
            {"conditions", json_of(request.conditions)},
            {"rows", request.table().rows.size()}};
}

Json resolved(const Json& given) {
    RunFacts facts{.shallow = given.value("shallow", false)};
    if (given.contains("default_strength")) facts.default_strength = given.at("default_strength").get<double>();
    const auto made = resolve(sampling_named(given.at("sampling")), given.at("prompt"), given.at("options"), facts);
    Json answer = Json::array();
    for (std::size_t i = 0; i < std::min<std::size_t>(made.size(), 4); ++i) answer.push_back(json_of(made[i]));
    return answer;
}

Inputs inputs_of(const Json& given) {
    const auto width = given.at("size").at(0).get<std::int64_t>(), height = given.at("size").at(1).get<std::int64_t>();
    Inputs inputs;
    if (given.at("from") == "picture") inputs.images = {Image::of(Array(DType::uint8, {height, width, 1}))};
    if (given.at("from") == "latents") inputs.latents = Array(DType::float32, {1, 1, height, width});
    return inputs;
}

}  // namespace

TEST_CASE("the options are those of the Python runtime, word by word") {
    const Json expected = read_json("requests.json").at("options");
    REQUIRE(options().size() == expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(plain(json_of(options()[i])).dump() == expected[i].dump());
}

TEST_CASE("requests are resolved to the same values, or refused in the same words") {
    check_answers("resolve", resolved);
}

TEST_CASE("settings of a bundle that make no run are the bundle's fault") {
    check_answers("check_sampling", [](const Json& given) {
        check_sampling(sampling_named(given.at("sampling")));
        return Json();
    });
}

TEST_CASE("the same seeds follow a seed") {
    check_answers("following", [](const Json& given) {
        return following(Seed::of(given.at("seed")), given.at("number").get<std::uint32_t>()).to_json();
    });
}

TEST_CASE("the size of a run is that of what it starts from, if none is asked for") {
    check_answers("size_of", [](const Json& given) {
        const auto [width, height] = size_of(inputs_of(given), given.at("width"), given.at("height"), 16, 8);
        return Json{width, height};
    });
}

TEST_CASE("sizes that an engine was not built for are refused in the same words") {
    check_answers("check_limits", [](const Json& given) {
        const std::vector<Engine> engines = {engine_of({}, given.at("limits"))};
        const Json& batch = given.at("batch");
        check_limits(engines, given.at("width"), given.at("height"),
                     batch.is_null() ? std::nullopt : std::optional(batch.get<int>()), 8);
        return Json();
    });
}

TEST_CASE("the nearest size that engines were built for is the same") {
    check_answers("nearest", [](const Json& given) {
        const std::vector<Engine> engines = {engine_of({}, Json::object()), engine_of({}, given.at("limits"))};
        const auto pixels = given.at("dims").at(0).get<std::string>(),
                   latent = given.at("dims").at(1).get<std::string>();
        return optional_json(nearest(engines, {pixels, latent}, given.at("side"), given.at("multiple"), 8));
    });
}

TEST_CASE("a seed that is not given, or -1, is a random one of 32 bits") {
    const auto drawn = seeds(Json(), 1).front();
    CHECK(drawn.bits < std::uint64_t{1} << 32);
    std::vector<Seed> listed;
    for (int i = 0; i < 4; ++i) listed.push_back(seeds(-1, 1).front());
    CHECK(std::ranges::count(listed, listed.front()) < 4);  // equal by chance once in 2**96
    const auto two = seeds(Json{-1, 5}, 2);
    CHECK(two.back() == Seed{5, false});
    CHECK(!two.front().negative);
}

TEST_CASE("a prompt that is no UTF-8 is refused at the character where it goes wrong") {
    const auto message = [](const std::string& prompt) {
        try {
            prompts("prompt", prompt);
        } catch (const UsageError& error) {
            return error.message();
        }
        return std::string();
    };
    // as Python says of what the shell gave it
    CHECK(message("gr\xC3\xB6\xFF") ==
          "The prompt holds '\\udcff' at character 4, which is no text; expected Unicode characters.");
    CHECK(message("\xED\xA0\x80").starts_with("The prompt holds '\\ud"));  // half of a surrogate pair
    CHECK(message("\xC0\x80").starts_with("The prompt holds '\\udcc0' at character 1"));
    CHECK(message("\xF0\x9F\x98").starts_with("The prompt holds '\\udcf0' at character 1"));
    CHECK(message("\xF0\x9F\x98\x80 größe") == "");
}

TEST_CASE("the inputs of one picture are its own") {
    Array array(DType::float32, {2, 1, 1, 1});
    array.as<float>()[1] = 5;
    const Inputs inputs{
        .images = {Image::of(Array(DType::uint8, {1, 1, 3})), Image::of(Array(DType::uint8, {2, 2, 3}))},
        .masks = {Image::of(Array(DType::uint8, {3, 3, 1}))},
        .latents = array};
    const Inputs third = inputs.of(2, 4);
    CHECK(third.images.front().width() == 2);
    CHECK(third.masks.front().width() == 3);
    CHECK(third.latents->shape() == Shape{1, 1, 1, 1});
    CHECK(third.latents->as<float>()[0] == 5);
    CHECK(inputs.of(1, 4).images.front().width() == 1);
}

TEST_CASE("pictures that no machine has the memory for are refused before anything is taken") {
    CHECK_NOTHROW(check_memory(8, 8, 1));
    const auto message = [](int batch) {
        try {
            check_memory(MAX_SIDE, MAX_SIDE, batch);
        } catch (const UsageError& error) {
            return error.message();
        }
        return std::string();
    };
    CHECK(message(MAX_BATCH).starts_with("1024 pictures of 16384x16384 need at least 70368.74 GB of memory; "));
    CHECK(message(MAX_BATCH).ends_with(" are free."));
}
