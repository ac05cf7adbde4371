#include "command/made.h"

#include <algorithm>
#include <array>

#include "picture_files/reading.h"
#include "vocabulary/texts.h"

namespace latentlink {
namespace {

// Options in the order in which people look for them; all others follow.
constexpr std::array<std::string_view, 8> FIRST = {"seed",  "sampler",  "sigmas", "spacing",
                                                   "steps", "guidance", "width",  "height"};

std::string text_of(const Json& value) {
    if (value.is_array()) {
        std::string text;
        for (const Json& one : value) text += (text.empty() ? "" : ", ") + text_of(one);
        return text;
    }
    if (value.is_number_float()) return general(value.get<double>());
    if (value.is_string()) return value.get<std::string>();
    return repr(value);
}

std::string joined_by(std::span<const std::string> texts, std::string_view between) {
    std::string text;
    for (const std::string& one : texts) text += (text.empty() ? "" : std::string(between)) + one;
    return text;
}

// The components of each engine's kind: `ort-cpu float32 (denoiser, vae_decoder)`.
std::string engines_of(const Origin& origin) {
    std::vector<std::pair<std::string, std::string>> kinds;
    for (const auto& [component, kind] : origin.engines) {
        const std::string title = kind.first + " " + kind.second;
        const auto found = std::ranges::find(kinds, title, &std::pair<std::string, std::string>::first);
        if (found == kinds.end()) {
            kinds.emplace_back(title, component);
        } else {
            found->second += ", " + component;
        }
    }
    std::string text;
    for (const auto& [kind, components] : kinds) text += (text.empty() ? "" : "; ") + kind + " (" + components + ")";
    return text;
}

std::string settings_of(const Json& options) {
    std::string text;
    const auto add = [&](const std::string& name) {
        text += (text.empty() ? "" : ", ") + name + " " + text_of(options.at(name));
    };
    for (const std::string_view name : FIRST) {
        if (options.contains(name)) add(std::string(name));
    }
    for (const auto& [name, value] : options.items()) {
        const bool told = name == "negative_prompt" || name == "conditions";
        if (!told && std::ranges::find(FIRST, name) == FIRST.end()) add(name);
    }
    return text;
}

void show_record(const Printer& printer, const Record& record) {
    const Json& options = record.options;
    printer.say("prompt: " + record.prompt);
    const std::string negative = text_of(options.value("negative_prompt", Json("")));
    if (!negative.empty() && !options.value("negative_prompt", Json()).is_null()) {
        printer.say("negative prompt: " + negative);
    }
    printer.say(settings_of(options));
    const Json conditions = options.value("conditions", Json::object());
    for (const auto& [name, numbers] : conditions.items()) printer.say("condition " + name + ": " + text_of(numbers));
    if (const auto& batch = record.batch) {
        printer.say("picture " + std::to_string(batch->number) + " of " + std::to_string(batch->count()) +
                    ", whose noise was drawn from one seed (--batch-seed)");
        if (batch->prompts.size() > 1) printer.say("prompts of the batch: " + joined_by(batch->prompts, "; "));
    }
    for (const auto& [kind, hashes] : record.started_from) {
        printer.say("started from " + kind + ", SHA-256 " + joined_by(hashes, ", "));
    }
    const Origin& origin = record.origin;
    printer.say("model " + origin.name + " (" + origin.family + "), manifest " +
                origin.manifest.value_or("not checked"));
    for (const auto& [component, manifest] : origin.replaced) {
        printer.say(component + " of another bundle, manifest " + manifest.value_or("not checked"));
    }
    if (!origin.engines.empty()) printer.say("engines: " + engines_of(origin));
}

Json json_of(const PictureFile& file) {
    Json parameters;
    if (const auto found = file.parameters()) {
        Json settings = Json::object();
        for (const auto& [name, value] : found->settings) settings[name] = value;
        parameters = {{"prompt", found->prompt}, {"negative_prompt", found->negative_prompt}, {"settings", settings}};
    }
    return {{"file", file.path.string()},
            {"format", file.format},
            {"width", file.width},
            {"height", file.height},
            {"record", file.record ? file.record->to_json() : Json()},
            {"text", file.text ? Json(*file.text) : Json()},
            {"parameters", parameters}};
}

}  // namespace

void show_picture(const Printer& printer, const std::filesystem::path& path, bool as_json) {
    const PictureFile file = read_picture_file(path);
    if (as_json) return printer.json(json_of(file));
    const std::string title =
        path.string() + ": " + file.format + ", " + std::to_string(file.width) + "x" + std::to_string(file.height);
    if (file.record) {
        printer.say(title + ", made by latentlink " + file.record->version);
        std::vector<Record> stages = file.record->earlier;
        stages.push_back(*file.record);
        for (std::size_t number = 0; number < stages.size(); ++number) {
            if (stages.size() > 1) {
                printer.say("stage " + std::to_string(number + 1) + " of " + std::to_string(stages.size()) + ":");
            }
            show_record(printer, stages[number]);
        }
    } else if (const auto parameters = file.parameters()) {
        printer.say(title + ", with the text of another program");
        printer.say("prompt: " + parameters->prompt);
        if (!parameters->negative_prompt.empty()) printer.say("negative prompt: " + parameters->negative_prompt);
        printer.say(parameters->settings_line());
    } else if (file.text) {
        printer.say(title + ", with a text that has no settings: " + *file.text);
    } else {
        printer.say(title + "; it does not say how it was made");
    }
}

}  // namespace latentlink
