// What is refused before a run begins: in the words of the Python runtime.

#include <doctest/doctest.h>

#include "../request/answers.h"
#include "../request/ports_alone.h"
#include "denoising/guidance.h"
#include "denoising/start.h"
#include "denoising/step_cache.h"

using namespace latentlink;

namespace {

const std::string DIGEST = "00000000";

Port text_of(std::vector<Dim> shape) {
    return {.kind = "text", .name = "words", .layout = {{'d', 8}}, .digest = DIGEST, .shape = std::move(shape)};
}

// As in tests/vectors/request_answers.py.
std::vector<Port> ports_named(const std::string& name) {
    if (name == "fixed") return {text_of({2, 7, 8})};
    if (name == "one") return {text_of({1, 7, 8})};
    const Port condition{
        .kind = "condition", .name = "size", .layout = {{'k', 2}}, .digest = DIGEST, .shape = {"N", std::int64_t{2}}};
    return {text_of({"N", "S", std::int64_t{8}}), condition};
}

Json options_of(const Json& given, std::initializer_list<std::pair<const char*, const char*>> names) {
    Json made = {{"seed", 1}};
    for (const auto& [option, key] : names) made[option] = given.at(key);
    return made;
}

}  // namespace

TEST_CASE("inputs that contradict each other are refused in the same words") {
    check_answers("check_inputs", [](const Json& given) {
        Json options = {{"seed", 1}, {"num_images", 2}};
        options.update(given.at("options"));
        const auto requests = resolve(sampling_named("plain"), Json{"a", "b"}, options);
        const Image picture = Image::of(Array(DType::uint8, {8, 8, 1}));
        Inputs inputs{.images = std::vector<Image>(given.at("images").get<std::size_t>(), picture),
                      .masks = std::vector<Image>(given.at("masks").get<std::size_t>(), picture)};
        const auto latents = given.at("latents").get<std::int64_t>();
        if (latents != 0) inputs.latents = Array(DType::float32, {latents, 4, 8, 8});
        check_inputs(inputs, requests.front(), 2, given.at("itself").get<bool>());
        return Json();
    });
}

TEST_CASE("the same rows are guided, or the interval is refused in the same words") {
    check_answers("guided_rows", [](const Json& given) {
        const Json options =
            options_of(given, {{"steps", "steps"}, {"guidance", "guidance"}, {"guidance_interval", "interval"}});
        const Request request = resolve(sampling_named("plain"), "a", options).front();
        std::vector<Port> ports = ports_named(given.at("ports"));
        if (const Json& how = given.at("how"); !how.is_null()) {
            ports.push_back({.kind = "guidance", .name = how, .layout = {{'k', 1}}, .digest = DIGEST, .shape = {"B"}});
        }
        return Json(guided_rows(engine_of(ports, given.at("limits")), request, request.table()));
    });
}

TEST_CASE("a step cache is refused, or told to be unmeasured, as by the Python runtime") {
    check_answers("step_cache", [](const Json& given) {
        const Sampling sampling = sampling_named(given.at("sampling"));
        const Request request =
            resolve(sampling, "a", options_of(given, {{"steps", "steps"}, {"step_cache", "every"}})).front();
        Linked linked;
        if (given.at("shallow").get<bool>()) linked.shallow = engine_of({}, Json::object());
        check_step_cache(linked, request, sampling, "demo");
        const auto found = unmeasured(request, sampling);
        return found ? Json{found->every, optional_json(found->measured_steps)} : Json();
    });
}
