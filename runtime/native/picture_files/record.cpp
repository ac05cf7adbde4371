#include "picture_files/record.h"

#include <cmath>
#include <numeric>

#include "request/resolved.h"
#include "vocabulary/json_writing.h"

namespace latentlink {
namespace {

template <typename Value>
Json json_of(const std::optional<Value>& value) {
    return value ? Json(*value) : Json();
}

template <typename Value>
void add(Json& options, std::string_view name, const std::optional<Value>& value) {
    if (value) options[std::string(name)] = *value;
}

Batch batch_of(const Request& request, std::span<const Request> requests) {
    Batch made{.number = request.number, .prompts = {}, .negative_prompts = {}, .guidance = {}};
    const auto same = [requests](std::size_t one, std::size_t other) {
        return requests[one].prompt == requests[other].prompt &&
               requests[one].negative_prompt == requests[other].negative_prompt;
    };
    std::size_t each = 0;  // pictures of every prompt: what the lengths of equal ones in a row have in common
    for (std::size_t begin = 0, end = 0; begin < requests.size(); begin = end) {
        while (end < requests.size() && same(begin, end)) ++end;
        each = std::gcd(each, end - begin);
    }
    for (std::size_t i = 0; i < requests.size(); ++i) {
        made.guidance.push_back(requests[i].guidance);
        if (i % each != 0) continue;
        made.prompts.push_back(requests[i].prompt);
        made.negative_prompts.push_back(requests[i].negative_prompt);
    }
    return made;
}

// In the order of `SETTINGS`.
Json options_of(const Request& request) {
    Json made = Json::object();
    add(made, "negative_prompt", request.negative_prompt);
    made["seed"] = request.seed.to_json();
    made["steps"] = request.steps;
    made["guidance"] = request.guidance;
    if (const auto& interval = request.guidance_interval) {
        made["guidance_interval"] = Json::array({interval->first, interval->second});
    }
    made["step_cache"] = request.step_cache;
    made["sampler"] = request.sampler;
    add(made, "spacing", request.spacing);
    add(made, "sigmas", request.sigmas);
    add(made, "shift", request.shift);
    add(made, "eta", request.eta);
    made["width"] = request.width;
    made["height"] = request.height;
    made["noise"] = request.noise;
    made["strength"] = request.strength;
    add(made, "denoising_start", request.denoising_start);
    add(made, "denoising_end", request.denoising_end);
    return made;
}

}  // namespace

Json Origin::to_json() const {
    Json others = Json::object(), own = Json::object();
    for (const auto& [component, sha256] : replaced) others[component] = json_of(sha256);
    for (const auto& [component, engine] : engines) {
        own[component] = Json{{"target", engine.first}, {"precision", engine.second}};
    }
    return {
        {"name", name}, {"family", family}, {"manifest", json_of(manifest)}, {"replaced", others}, {"engines", own}};
}

Json Batch::to_json() const {
    Json negative = Json::array();
    for (const auto& one : negative_prompts) negative.push_back(json_of(one));
    return {{"number", number},
            {"count", count()},
            {"prompts", prompts},
            {"negative_prompts", negative},
            {"guidance", guidance}};
}

Json Record::to_json() const {
    Json settings = options;
    if (const auto interval = settings.find("guidance_interval"); interval != settings.end()) {
        for (Json& level : *interval) {
            if (std::isinf(level.get<double>())) level = "inf";
        }
    }
    Json made = {{"format", RECORD_FORMAT}, {"prompt", prompt}, {"options", settings}};
    if (batch) made["batch"] = batch->to_json();
    made["model"] = origin.to_json();
    for (const auto& [kind, hashes] : started_from) made["started_from"][kind] = hashes;
    for (const Record& stage : earlier) made["earlier_stages"].push_back(stage.to_json());
    made["latentlink"] = version;
    return made;
}

std::string Record::to_text() const {
    std::string text;
    for (const char one : dumps(to_json(), {.compact = true, .ascii = false})) {
        switch (one) {  // they stand inside of strings alone, and XMP is XML
            case '<': text += "\\u003c"; break;
            case '>': text += "\\u003e"; break;
            case '&': text += "\\u0026"; break;
            default: text += one;
        }
    }
    return text;
}

Record record_of(const Request& request, std::span<const Request> requests, const Origin& origin,
                 const StartedFrom& started_from) {
    Json options = options_of(request);
    if (started_from.empty() || request.denoising_start) options.erase("strength");
    for (const auto& [name, numbers] : request.conditions) {
        options["conditions"][name] = numbers.first;
        options["conditions"]["negative_" + name] = numbers.second;
    }
    Record made{.prompt = request.prompt, .options = std::move(options), .origin = origin};
    if (request.batch_seed) made.batch = batch_of(request, requests);
    made.started_from = started_from;
    return made;
}

}  // namespace latentlink
