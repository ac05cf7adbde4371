#include "request/resolved.h"

#include <algorithm>

#include "bundle/record_checks.h"
#include "samplers/names.h"
#include "samplers/resolve.h"
#include "samplers/schedules/refusal.h"
#include "samplers/schedules/spacing.h"
#include "samplers/schedules/web_schedules.h"
#include "vocabulary/errors.h"
#include "vocabulary/texts.h"
#include "vocabulary/utf8.h"

namespace latentlink {

namespace {

constexpr std::string_view NEGATIVE = "negative_";  // the prefix of a condition's name for unconditional rows

// Values of one picture that may differ within a call.
struct Own {
    int steps;
    double guidance;
    Json sampler;
};

// Defaults of the options: the bundle's own, else those of the option table.
Json defaults_of(const Sampling& bundle) {
    Json values = Json::object();
    for (const Option& one : options()) {
        if (const Json value = one.default_value(); !value.is_null()) values[std::string(one.name)] = value;
    }
    values["steps"] = bundle.steps;
    values["guidance"] = bundle.guidance;
    values["sampler"] = bundle.sampler;
    values["width"] = bundle.width;
    values["height"] = bundle.height;
    return values;
}

Json taken(Json& values, const char* name) {
    Json value = values.at(name);
    values.erase(name);
    return value;
}

// The values of each picture, from those of each option.
std::vector<Own> own_values(Json& values, std::size_t batch) {
    const auto listed = [&values, batch](const char* name) {
        return each_picture(option(name), taken(values, name), batch);
    };
    const auto steps = listed("steps"), guidance = listed("guidance"), sampler = listed("sampler");
    std::vector<Own> made;
    for (std::size_t i = 0; i < batch; ++i) {
        made.push_back({steps[i].get<int>(), guidance[i].get<double>(), sampler[i]});
    }
    return made;
}

// A negative prompt for each prompt.
std::vector<std::optional<std::string>> negatives_of(const Sampling& defaults, const Json& requested,
                                                     std::size_t count) {
    std::vector<std::optional<std::string>> negatives;
    if (requested.is_null()) {
        negatives.push_back(defaults.unconditional == "zeros" ? std::nullopt : std::optional<std::string>(""));
    } else {
        for (std::string& one : prompts("negative prompt", requested)) negatives.emplace_back(std::move(one));
    }
    if (negatives.size() == 1) negatives.resize(count, negatives.front());
    if (negatives.size() != count) {
        throw UsageError(std::to_string(negatives.size()) + " negative prompts for " + std::to_string(count) +
                         " prompts; expected one, or one each.");
    }
    return negatives;
}

void check_shared_noise(std::span<const Own> own) {
    const bool equal = std::ranges::all_of(
        own, [&own](const Own& one) { return one.steps == own.front().steps && one.sampler == own.front().sampler; });
    if (equal) return;
    throw UsageError(
        "batch_seed draws the noise of all pictures together, so that they run the same steps of the same sampler; "
        "received several.",
        "Leave batch_seed out, which gives each picture a seed of its own.");
}

int side(const Json& values, const char* name, std::int64_t multiple) {
    const auto value = values.at(name).get<std::int64_t>();
    if (value % multiple == 0) return static_cast<int>(value);
    const std::int64_t down = value / multiple * multiple, up = down + multiple;
    throw UsageError(std::string(name) + " " + std::to_string(value) + " is not a multiple of " +
                         std::to_string(multiple) + ", which this model needs.",
                     "Use " + (down != 0 ? std::to_string(down) + " or " : "") + std::to_string(up) + ".");
}

// The numbers of one condition; a single one needs no list.
Numbers numbers_of(const std::string& name, const Json& value, std::size_t count) {
    const std::string title = "The condition " + name;
    const std::string expected = std::to_string(count) + " finite " + (count == 1 ? "number" : "numbers");
    const bool text = value.is_string();  // which Python takes for a list of characters
    const std::size_t size = text               ? character_count(value.get_ref<const std::string&>())
                             : value.is_array() ? value.size()
                                                : 1;
    if (size != count) throw UsageError(title + " is " + shown(value) + "; expected " + expected + ".");
    if (text) {
        const auto& characters = value.get_ref<const std::string&>();
        std::string_view rest = characters;
        next_character(rest);
        number(title, characters.substr(0, characters.size() - rest.size()), expected);
    }
    Numbers numbers;
    for (const Json& one : value.is_array() ? value : Json::array({value})) {
        numbers.push_back(number(title, one, expected));
    }
    return numbers;
}

Json names_of(const Conditions& conditions) {
    Json known = Json::array();
    for (const auto& [name, numbers] : conditions) known.push_back(name);
    for (const auto& [name, numbers] : conditions) known.push_back(std::string(NEGATIVE) + name);
    return known;
}

std::string listed(const Json& names) {
    std::string text;
    for (const Json& name : names) text += (text.empty() ? "" : ", ") + name.get<std::string>();
    return text;
}

// For each condition the numbers of prompts and of unconditional rows; `negative_NAME` sets only the latter.
RequestConditions conditions_of(const Sampling& defaults, const Json& requested) {
    if (!requested.is_object()) {
        throw UsageError("Received " + std::string(type_name(requested)) +
                         " for conditions; expected a mapping of names to numbers.");
    }
    const Json known = names_of(defaults.conditions);
    std::map<std::string, Numbers> read;
    for (const auto& [name, value] : requested.items()) {
        if (std::ranges::find(known, Json(name)) == known.end()) {
            throw UsageError("Unknown condition " + shown(name) + "; expected " +
                             (known.empty() ? "none" : "one of " + listed(known)) + ".");
        }
        const std::string own = name.starts_with(NEGATIVE) ? name.substr(NEGATIVE.size()) : name;
        read[name] = numbers_of(name, value, defaults.conditions.at(own).numbers.size());
    }
    const auto given = [&read](const std::string& name) -> const Numbers* {
        const auto found = read.find(name);
        return found == read.end() ? nullptr : &found->second;
    };
    RequestConditions resolved;
    for (const auto& [name, own] : defaults.conditions) {
        const Numbers* positive = given(name);
        const Numbers* negative = given(std::string(NEGATIVE) + name);
        const Numbers& for_prompts = positive ? *positive : own.numbers;
        const Numbers& for_others = own.unconditional ? *own.unconditional : for_prompts;
        resolved[name] = {for_prompts, negative ? *negative : for_others};
    }
    return resolved;
}

// The step cache that was measured to be free in runs of at most `steps` steps, or 1, which caches nothing.
int free_cache(const Sampling& defaults, int steps, bool shallow) {
    const auto& measured = defaults.step_cache;
    if (!measured || !shallow || steps < measured->steps || !measured->quality.visually_lossless()) return 1;
    return static_cast<int>(measured->every);
}

std::optional<std::string> text_of(const Json& value) {
    if (!value.is_string()) return std::nullopt;
    return value.get<std::string>();
}

// This package's names for those that were given, which may be no texts: these are refused in Python's order.
OwnNames names_for(const Schedule& schedule, const Own& own, const Json& values) {
    const Json spacing = values.value("spacing", Json()), sigmas = values.value("sigmas", Json());
    if (!own.sampler.is_string()) one_of(own.sampler, samplers_for(schedule), "sampler");
    const GivenNames given{.sampler = own.sampler.get<std::string>(),
                           .spacing = text_of(spacing),
                           .sigmas = text_of(sigmas),
                           .steps = own.steps};
    if (!sigmas.is_null() && !sigmas.is_string()) {
        own_names(schedule, {.sampler = given.sampler, .steps = given.steps});
        one_of(sigmas, SIGMAS, "sigmas");
    }
    if (!spacing.is_null() && !spacing.is_string()) {
        own_names(schedule, {.sampler = given.sampler, .sigmas = given.sigmas, .steps = given.steps});
        if (std::holds_alternative<FlowSchedule>(schedule)) {
            throw refusal("spacing " + repr(spacing) + " with a model that predicts the flow", "no spacing",
                          "Leave spacing out.");
        }
        std::vector<std::string_view> known(SPACINGS.begin(), SPACINGS.end());
        known.insert(known.end(), WEB_SCHEDULES.begin(), WEB_SCHEDULES.end());
        one_of(spacing, known, "spacing");
    }
    return own_names(schedule, given);
}

std::optional<double> optional_number(const Json& values, const char* name) {
    const auto found = values.find(name);
    if (found == values.end()) return std::nullopt;
    return found->get<double>();
}

}  // namespace

SamplerTable Request::table() const {
    return sampler_table(*schedule, {.sampler = sampler,
                                     .steps = steps,
                                     .spacing = spacing,
                                     .sigmas = sigmas,
                                     .eta = eta,
                                     .shift = shift,
                                     .width = width,
                                     .height = height,
                                     .strength = strength,
                                     .start = denoising_start,
                                     .end = denoising_end});
}

std::vector<Request> resolve(const Sampling& defaults, const Json& prompt, const Json& options, const RunFacts& facts) {
    const auto texts = prompts("prompt", prompt);
    if (texts.empty()) throw UsageError("No prompt was given; expected at least one.");
    Json values = defaults_of(defaults);
    const Json wanted = requested(options);
    for (const auto& [name, value] : wanted.items()) values[name] = value;
    const auto num_images = check(option("num_images"), taken(values, "num_images")).get<std::size_t>();
    const std::size_t batch = texts.size() * num_images;
    if (batch > MAX_BATCH) {
        throw UsageError(std::to_string(batch) + " pictures in one batch; expected at most " +
                         std::to_string(MAX_BATCH) + ".");
    }
    const std::vector<Own> own = own_values(values, batch);
    for (auto& [name, value] : values.items()) {
        if (const Option& one = option(name); !one.several) value = check(one, value);
    }
    const auto negatives = negatives_of(defaults, values.value("negative_prompt", Json()), texts.size());
    const bool batch_seed = values.at("batch_seed").get<bool>();
    const std::vector<Seed> drawn = seeds(values.value("seed", Json()), batch, batch_seed);
    if (batch_seed) check_shared_noise(own);
    Request shared;
    shared.schedule = std::make_shared<const Schedule>(read_schedule(defaults.schedule));
    if (const auto found = values.find("guidance_interval"); found != values.end()) {
        shared.guidance_interval = {found->at(0).get<double>(), found->at(1).get<double>()};
    }
    shared.shift = optional_number(values, "shift");
    shared.eta = optional_number(values, "eta");
    shared.width = side(values, "width", defaults.size_multiple);
    shared.height = side(values, "height", defaults.size_multiple);
    shared.noise = values.at("noise").get<std::string>();
    shared.denoising_start = optional_number(values, "denoising_start");
    shared.denoising_end = optional_number(values, "denoising_end");
    shared.conditions = conditions_of(defaults, values.value("conditions", Json::object()));
    shared.batch_seed = batch_seed;
    shared.count = static_cast<int>(batch);
    const auto strength = optional_number(values, "strength");
    std::vector<Request> made;
    for (std::size_t place = 0; place < batch; ++place) {
        Request one = shared;
        const OwnNames names = names_for(*one.schedule, own[place], values);
        one.prompt = texts[place / num_images];
        one.negative_prompt = negatives[place / num_images];
        one.seed = drawn[place];
        one.number = static_cast<int>(place) + 1;
        one.steps = own[place].steps;
        one.guidance = own[place].guidance;
        one.step_cache = values.value("step_cache", free_cache(defaults, one.steps, facts.shallow));
        one.sampler = names.sampler;
        one.spacing = names.spacing;
        one.sigmas = names.sigmas;
        const double least = facts.default_strength ? std::max(*facts.default_strength, 1.0 / one.steps) : 1;
        one.strength = strength.value_or(least);
        made.push_back(std::move(one));
    }
    return made;
}

void check_sampling(const Sampling& defaults) {
    try {
        resolve(defaults, "", Json::object()).front().table();
    } catch (const UsageError& error) {
        throw BundleError("manifest.json, sampling: " + error.message(), DAMAGED_REMEDY);
    }
}

}  // namespace latentlink
