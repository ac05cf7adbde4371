#include "picture_files/remaking.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "picture_files/numbers.h"
#include "samplers/schedules/spacing.h"
#include "vocabulary/errors.h"
#include "vocabulary/texts.h"

namespace latentlink {
namespace {

// Schedule types that are a model's usual noise levels.
constexpr std::array<std::string_view, 4> USUAL_LEVELS = {"", "Automatic", "Uniform", "Normal"};

bool is_digit(char one) { return one >= '0' && one <= '9'; }

bool in(const auto& names, std::string_view name) { return std::ranges::count(names, name) > 0; }

// `512x768`: at most nine digits each.
std::optional<std::pair<int, int>> size_in(std::string_view text) {
    const std::size_t cross = text.find('x');
    if (cross == std::string_view::npos) return std::nullopt;
    std::array<int, 2> sides{};
    const std::array parts = {text.substr(0, cross), text.substr(cross + 1)};
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (parts[i].empty() || parts[i].size() > 9 || !std::ranges::all_of(parts[i], is_digit)) return std::nullopt;
        std::from_chars(parts[i].begin(), parts[i].end(), sides[i]);
    }
    return std::pair(sides[0], sides[1]);
}

Json of_record(const Record& record) {
    Json made = {{"prompt", record.prompt}};
    made.update(record.options);
    if (!record.batch) return made;
    const Batch& batch = *record.batch;
    made["prompt"] = batch.prompts;
    made["num_images"] = batch.guidance.size() / batch.prompts.size();
    made["batch_seed"] = true;
    const bool one = std::ranges::count(batch.guidance, batch.guidance.front()) == batch.count();
    made["guidance"] = one ? Json(batch.guidance.front()) : Json(batch.guidance);
    made.erase("negative_prompt");
    if (std::ranges::all_of(batch.negative_prompts, [](const auto& text) { return text.has_value(); })) {
        for (const auto& text : batch.negative_prompts) made["negative_prompt"].push_back(*text);
    }
    return made;
}

Json of_parameters(const Parameters& parameters, const std::string& path) {
    Json made = {{"prompt", parameters.prompt}};
    if (!parameters.negative_prompt.empty()) made["negative_prompt"] = parameters.negative_prompt;
    const auto read = [&](const char* name, const char* option, auto number) {
        const std::string* text = parameters.setting(name);
        if (text == nullptr) return;
        const auto found = number(*text);
        if (!found) {
            throw UsageError(std::string(name) + " of " + repr(path) + " is " + shown(*text) + "; expected a number.");
        }
        made[option] = *found;
    };
    read("Seed", "seed", read_whole);
    read("Steps", "steps", read_whole);
    read("CFG scale", "guidance", read_number);
    if (const auto* sampler = parameters.setting("Sampler")) made["sampler"] = *sampler;
    if (const auto* type = parameters.setting("Schedule type"); type != nullptr && in(SIGMAS, lower(*type))) {
        made["sigmas"] = lower(*type);
    }
    const auto* size = parameters.setting("Size");
    if (const auto sides = size_in(size == nullptr ? "" : *size)) {
        made["width"] = sides->first;
        made["height"] = sides->second;
    }
    return made;
}

std::string model(const std::string& name, const std::optional<std::string>& manifest) {
    return manifest ? name + " (manifest " + manifest->substr(0, 8) + ")" : name;
}

// The value of a name; none if there is none.
template <typename Value>
std::optional<Value> value_of(const std::vector<std::pair<std::string, Value>>& pairs, std::string_view name) {
    const auto found = std::ranges::find(pairs, name, [](const auto& one) { return std::string_view(one.first); });
    return found == pairs.end() ? std::nullopt : std::optional<Value>(std::in_place, found->second);
}

std::vector<std::string> replaced_components(const Origin& before, const Origin& now) {
    std::set<std::string> components;
    for (const auto& [component, sha256] : before.replaced) components.insert(component);
    for (const auto& [component, sha256] : now.replaced) components.insert(component);
    std::vector<std::string> found;
    for (const std::string& component : components) {
        const auto then = value_of(before.replaced, component), today = value_of(now.replaced, component);
        if (then.value_or(std::nullopt) == today.value_or(std::nullopt)) continue;
        found.push_back("It was made with the " + component + (then ? " of another bundle" : " of the model itself") +
                        ": the picture may differ.");
    }
    return found;
}

std::string changed_engines(const Origin& before, const Origin& now) {
    std::string changed;
    for (const auto& [component, engine] : before.engines) {
        if (value_of(now.engines, component) == engine) continue;
        changed += (changed.empty() ? "" : ", ") + component + " on " + engine.first + " in " + engine.second;
    }
    return changed;
}

}  // namespace

Json options_of(const PictureFile& file) {
    const std::string path = file.path.string();
    if (file.record) {
        if (!file.record->earlier.empty()) {
            throw UsageError(repr(path) + " was made by a chain of " + std::to_string(file.record->earlier.size() + 1) +
                                 " stages; expected a picture of generate.",
                             "latentlink inspect " + path + " shows the stages, for latentlink chain.");
        }
        return of_record(*file.record);
    }
    if (const auto parameters = file.parameters()) return of_parameters(*parameters, path);
    throw UsageError(
        repr(path) + " does not say how it was made; expected a picture that latentlink or a web UI wrote.",
        "Other programs drop what a picture says of itself when they save it; take the original file.");
}

Json picture_options(const std::filesystem::path& path, const Json& changes) {
    return overridden(options_of(read_picture_file(path)), changes);
}

std::optional<std::string> left_out_levels(const Parameters& parameters) {
    const auto* kind = parameters.setting("Schedule type");
    if (kind == nullptr || in(USUAL_LEVELS, *kind) || in(SIGMAS, lower(*kind))) return std::nullopt;
    return *kind;
}

std::vector<std::string> differences(const Record& recorded, const Record& made) {
    std::vector<std::string> found;
    const Origin &before = recorded.origin, &now = made.origin;
    if (before.manifest != now.manifest) {
        found.push_back("It was made by " + model(before.name, before.manifest) + ", and this is " +
                        model(now.name, now.manifest) + ": the picture may differ.");
    }
    std::ranges::move(replaced_components(before, now), std::back_inserter(found));
    if (before.manifest == now.manifest) {
        const std::string changed = changed_engines(before, now);
        if (!changed.empty()) found.push_back("It was made with " + changed + ": the picture may differ a little.");
    }
    if (recorded.version != made.version) {
        found.push_back("It was made by latentlink " + recorded.version + ", and this is " + made.version + ".");
    }
    for (const auto& [kind, hashes] : recorded.started_from) {
        if (value_of(made.started_from, kind) == hashes) continue;
        found.push_back("The " + kind +
                        " to start from is not the one that it was made from: the picture will differ.");
    }
    return found;
}

Json overridden(const Json& options, const Json& given) {
    Json fresh = Json::object();
    for (const auto& [name, value] : given.items()) {
        if (!value.is_null()) fresh[name] = value;
    }
    std::vector<std::string_view> dropped;
    if (fresh.contains("sampler")) dropped = {"spacing", "sigmas", "eta"};
    if (fresh.contains("guidance") && fresh["guidance"].is_number() && fresh["guidance"] <= 1) {
        dropped.push_back("guidance_interval");
    }
    if (fresh.contains("strength") || fresh.contains("denoising_start")) {
        dropped.insert(dropped.end(), {"strength", "denoising_start"});
    }
    Json made = Json::object();
    for (const auto& [name, value] : options.items()) {
        if (!in(dropped, name)) made[name] = value;
    }
    made.update(fresh);
    return made;
}

}  // namespace latentlink
