#include "picture_files/record_reader.h"

#include <algorithm>
#include <limits>

#include "options.h"
#include "picture_files/numbers.h"
#include "request/checks.h"
#include "vocabulary/errors.h"
#include "vocabulary/json_reading.h"
#include "vocabulary/texts.h"
#include "vocabulary/utf8.h"

namespace latentlink {
namespace {

constexpr std::size_t MOST_STAGES = 100;  // of a chain in one record
constexpr std::size_t MOST_NAMES = 100;   // entries of a mapping in a record, such as components
constexpr std::size_t MOST_CHARACTERS = 1024;

const Json NOTHING;

UsageError wrong(std::string_view name, const Json& value, const std::string& expected) {
    return UsageError(std::string(name) + " is " + shown(value) + "; expected " + expected + ".");
}

// The value of a key; null if there is none.
const Json& at(const Json& values, const char* key) {
    const auto found = values.find(key);
    return found == values.end() ? NOTHING : *found;
}

const Json& mapping(std::string_view name, const Json& value) {
    if (!value.is_object() || value.size() > MOST_NAMES) {
        throw wrong(name, value, "an object of at most " + std::to_string(MOST_NAMES) + " keys");
    }
    return value;
}

// Of a key that may be left out.
const Json& mapping_if_any(const Json& values, const char* key) {
    static const Json none = Json::object();
    return values.contains(key) ? mapping(key, values[key]) : none;
}

std::string prompt(std::string_view name, const Json& value) {
    if (!value.is_string()) throw wrong(name, value, "text");
    return prompts(name, value).front();
}

std::string text(std::string_view name, const Json& value) {
    if (!value.is_string() || character_count(value.get_ref<const std::string&>()) > MOST_CHARACTERS) {
        throw wrong(name, value, "text of at most " + std::to_string(MOST_CHARACTERS) + " characters");
    }
    return value.get<std::string>();
}

std::string sha256(std::string_view name, const Json& value) {
    const auto is_digit = [](char one) { return (one >= '0' && one <= '9') || (one >= 'a' && one <= 'f'); };
    const std::string* digits = value.get_ptr<const std::string*>();
    if (digits == nullptr || digits->size() != 64 || !std::ranges::all_of(*digits, is_digit)) {
        throw wrong(name, value, "a SHA-256 of 64 hexadecimal digits");
    }
    return *digits;
}

template <typename Read>
auto optional(Read read, std::string_view name, const Json& value) {
    return value.is_null() ? std::nullopt : std::optional(read(name, value));
}

int whole_number(std::string_view name, const Json& value, std::size_t most) {
    if (value.is_number_integer() && value >= 1 && value <= most) return value.get<int>();
    throw wrong(name, value, "a whole number from 1 to " + std::to_string(most));
}

Json seed(std::string_view name, const Json& value) {
    if (value.is_array()) throw wrong(name, value, "one value");
    if (value == -1) throw wrong(name, value, "a seed");  // it stands for a random one, which no picture was made with
    return seeds(with_64_bits(value), 1).front().to_json();
}

// An infinite level is the text "inf".
Json interval_of(const Json& value) {
    Json levels = value;
    if (levels.is_array()) {
        for (Json& level : levels) {
            if (level == "inf") level = std::numeric_limits<double>::infinity();
        }
    }
    return levels;
}

Json conditions(std::string_view name, const Json& value) {
    Json made = Json::object();
    for (const auto& [key, numbers] : mapping(name, value).items()) {
        if (!numbers.is_array() || numbers.size() > MOST_NAMES) {
            throw wrong(key, numbers, "at most " + std::to_string(MOST_NAMES) + " numbers");
        }
        made[key] = Json::array();
        for (const Json& one : numbers) made[key].push_back(number(shown(key), one, "a finite number"));
    }
    return made;
}

Json option_of(std::string_view name, const Json& value) {
    if (name == "negative_prompt") return prompt(name, value);
    if (name == "seed") return seed(name, value);
    if (name == "conditions") return conditions(name, value);
    if (name == "guidance_interval") return check(option(name), interval_of(value));
    if (option(name).kind == Option::Kind::text) return check(option(name), text(name, value));
    return check(option(name), value);
}

// The options that this version has, each of its type and in its range.
Json options_of(const Json& values) {
    Json made = Json::object();
    for (const std::string_view name : SETTINGS) {
        const Json& value = at(values, std::string(name).c_str());
        if (!value.is_null()) made[std::string(name)] = option_of(name, value);
    }
    return made;
}

Origin origin_of(const Json& values) {
    Origin made;
    for (const auto& [component, one] : mapping_if_any(values, "engines").items()) {
        const Json& engine = mapping("the engine of " + shown(component), one);
        std::string target = text("target", at(engine, "target"));
        made.engines.emplace_back(component, std::pair(std::move(target), text("precision", at(engine, "precision"))));
    }
    made.name = text("name", at(values, "name"));
    made.family = text("family", at(values, "family"));
    made.manifest = optional(sha256, "manifest", at(values, "manifest"));
    for (const auto& [component, one] : mapping_if_any(values, "replaced").items()) {
        made.replaced.emplace_back(component, optional(sha256, "replaced", one));
    }
    return made;
}

Batch batch_of(const Json& values) {
    const Json &guidance = at(values, "guidance"), &texts = at(values, "prompts"),
               &negative = at(values, "negative_prompts");
    if (!guidance.is_array() || guidance.empty() || guidance.size() > MAX_BATCH) {
        throw wrong("guidance", guidance, "1 to " + std::to_string(MAX_BATCH) + " numbers, one for every picture");
    }
    const std::string count = std::to_string(guidance.size());
    if (!texts.is_array() || texts.empty() || guidance.size() % texts.size() != 0) {
        throw wrong("prompts", texts, "prompts with equally many of " + count + " pictures each");
    }
    if (!negative.is_array() || negative.size() != texts.size()) {
        throw wrong("negative_prompts", negative, std::to_string(texts.size()) + ", one for every prompt");
    }
    Batch made{.number = whole_number("number", at(values, "number"), guidance.size()),
               .prompts = {},
               .negative_prompts = {},
               .guidance = {}};
    for (const Json& one : texts) made.prompts.push_back(prompt("prompt", one));
    for (const Json& one : negative) made.negative_prompts.push_back(optional(prompt, "negative prompt", one));
    for (const Json& one : guidance) made.guidance.push_back(check(option("guidance"), one).get<double>());
    return made;
}

StartedFrom started_from(const Json& values) {
    StartedFrom made;
    for (const char* kind : {"image", "mask", "latents"}) {
        if (!values.contains(kind)) continue;
        const Json& hashes = values[kind];
        if (!hashes.is_array() || hashes.size() > MAX_BATCH) {
            throw wrong(kind, hashes, "at most " + std::to_string(MAX_BATCH) + " hashes");
        }
        std::vector<std::string> read;
        for (const Json& one : hashes) read.push_back(sha256(kind, one));
        if (!read.empty()) made.emplace_back(kind, std::move(read));
    }
    return made;
}

// A stage has no stages of its own, so that this calls itself once at most.
Record record_of(const Json& value, bool is_stage) {
    const Json& values = mapping("the record", value);
    if (at(values, "format") != RECORD_FORMAT) {
        throw UsageError("it is of format " + shown(at(values, "format")) + "; this version of latentlink reads " +
                         std::to_string(RECORD_FORMAT));
    }
    const Json stages = values.contains("earlier_stages") ? values["earlier_stages"] : Json::array();
    if (!stages.is_array() || stages.size() > MOST_STAGES || (is_stage && !stages.empty())) {
        throw wrong("earlier_stages", stages,
                    "at most " + std::to_string(MOST_STAGES) + " stages, none inside of another");
    }
    Record made;
    made.prompt = prompt("prompt", at(values, "prompt"));
    made.options = options_of(mapping("options", at(values, "options")));
    made.origin = origin_of(mapping("model", at(values, "model")));
    if (const Json& batch = at(values, "batch"); !batch.is_null()) made.batch = batch_of(mapping("batch", batch));
    made.started_from = started_from(mapping_if_any(values, "started_from"));
    made.version = text("latentlink", at(values, "latentlink"));
    for (const Json& stage : stages) made.earlier.push_back(record_of(stage, true));
    return made;
}

}  // namespace

Record read_record(std::string_view text) {
    Json value;
    try {
        value = parse_json(text, {.keys_once = false});
    } catch (const JsonError& error) {
        if (error.cause() == JsonError::Cause::nested) throw UsageError("it is nested too deeply");
        const bool constant = error.cause() == JsonError::Cause::constant;
        throw UsageError("it is no JSON: " + shown(constant
                                                       ? "received " + error.detail() + ", expected a finite number"
                                                       : error.detail()));
    }
    return record_of(value, false);
}

}  // namespace latentlink
