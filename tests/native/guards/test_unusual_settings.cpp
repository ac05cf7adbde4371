// The settings that Python calls unusual are the unusual ones here, in its order and words.

#include <doctest/doctest.h>

#include "samplers/schedules/schedule_fields.h"
#include "unusual_settings.h"
#include "vectors.h"

using namespace latentlink;

namespace {

// A resolved request from its recorded fields.
Request request_with(const Json& fields, const Sampling& model) {
    Request request;
    request.schedule = std::make_shared<const Schedule>(read_schedule(model.schedule));
    request.prompt = fields.at("prompt");
    read(fields, "negative_prompt", request.negative_prompt);
    read(fields, "steps", request.steps);
    read(fields, "guidance", request.guidance);
    read(fields, "step_cache", request.step_cache);
    read(fields, "sampler", request.sampler);
    read(fields, "spacing", request.spacing);
    read(fields, "sigmas", request.sigmas);
    read(fields, "shift", request.shift);
    read(fields, "eta", request.eta);
    read(fields, "width", request.width);
    read(fields, "height", request.height);
    read(fields, "strength", request.strength);
    read(fields, "denoising_start", request.denoising_start);
    read(fields, "denoising_end", request.denoising_end);
    for (const auto& [name, pair] : fields.at("conditions").items()) {
        request.conditions[name] = {pair.at(0).get<Numbers>(), pair.at(1).get<Numbers>()};
    }
    return request;
}

Json value_of(const SettingValue& value) {
    return std::visit([](const auto& held) { return Json(held); }, value);
}

}  // namespace

TEST_CASE("unusual settings are Python's") {
    const Json vectors = read_json("guards.json");
    Json plain;
    for (const Json& given : vectors.at("settings")) {
        const Sampling model = Sampling::from_json(vectors.at("models").at(given.at("model").get<std::string>()));
        if (given.contains("plain")) {
            plain = given.at("plain");
            continue;
        }
        CAPTURE(given.dump());
        Json fields = plain;
        fields.update(given.at("request"));
        const Request request = request_with(fields, model);
        Json found = Json::array();
        for (const Unusual& one :
             unusual_settings(request, model, request.table(), given.at("guided"), given.at("weighted"))) {
            found.push_back({{"setting", one.setting}, {"value", value_of(one.value)}, {"text", one.text()}});
        }
        CHECK(found == given.at("unusual"));
    }
}
