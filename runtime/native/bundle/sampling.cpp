#include "bundle/sampling.h"

#include <algorithm>
#include <array>
#include <limits>

#include "bundle/record_checks.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

constexpr std::int64_t MAX_SIDE = 1 << 16;
constexpr std::int64_t MAX_PIXELS = 1 << 22;  // of the default size: a run that names none must not take all memory
constexpr std::size_t MAX_RANGES = 64;
constexpr double MAX_CONDITION = 3.4e38;  // of a condition, whose port is float32
constexpr double ANY = -std::numeric_limits<double>::infinity();

constexpr std::array<std::string_view, 2> UNCONDITIONAL = {"empty", "zeros"};

void check_constant(const std::string& key, const Json& value) {
    if (value.is_array()) {
        std::size_t number = 0;
        for (const Json& item : list_of(key, value, 10'000)) check_number(numbered(key, number++), item, ANY);
    } else if (value.is_string()) {
        check_text(key, value);
    } else if (!value.is_null() && !value.is_boolean()) {
        check_number(key, value, ANY);
    }
}

Json schedule_of(const Json& value) {
    Json schedule = Json::object();
    for (const auto& [key, item] : sorted_items(value, 64)) {
        check_constant(key, *item);
        schedule[key] = *item;
    }
    return schedule;
}

Condition condition_of(const std::string& key, const Json& value) {
    check_pattern("", key, is_name, "the name of a condition port");
    if (key.starts_with("negative_")) {
        throw unexpected("", key, "a name that does not begin with negative_, which stands for unconditional rows");
    }
    const Json& pair = list_of(key, value, 2);
    if (pair.size() != 2 || pair[0].is_null()) throw unexpected(key, value, "[numbers, numbers or null]");
    for (const Json& numbers : pair) {
        if (!numbers.is_null()) list_of(key, numbers, 64);
    }
    for (const Json& numbers : pair) {
        for (const Json& number : numbers) check_number(key, number, -MAX_CONDITION, MAX_CONDITION);
    }
    if (pair[0].empty() || (!pair[1].is_null() && pair[1].size() != pair[0].size())) {
        throw unexpected(key, value, "two lists of equal length");
    }
    Condition condition{.numbers = pair[0].get<std::vector<double>>()};
    if (!pair[1].is_null()) condition.unconditional = pair[1].get<std::vector<double>>();
    return condition;
}

void check_ranges(const std::vector<LatentRange>& ranges) {
    for (std::size_t number = 1; number < ranges.size(); ++number) {
        const LatentRange &one = ranges[number - 1], &after = ranges[number];
        const std::string where = numbered("ranges", number);
        if (after.level <= one.level) {
            throw unexpected(where + ".level", after.level, "more than the level before it, " + repr(one.level));
        }
        if (after.mean.size() != one.mean.size()) {
            throw unexpected_tuple(where + ".mean", Json(after.mean),
                                   std::to_string(one.mean.size()) + " channels, as the first has");
        }
    }
}

std::int64_t side_of(std::string_view key, const Json& value, std::int64_t multiple) {
    const std::int64_t side = check_int(key, value, 1, MAX_SIDE);
    if (side % multiple == 0) return side;
    throw unexpected(key, side, "a multiple of size_multiple, " + std::to_string(multiple));
}

}  // namespace

Json Sampling::training() const {
    Json defaults = Json::object();
    for (const auto& [name, condition] : conditions) {
        defaults[name] = {condition.numbers, condition.unconditional ? Json(*condition.unconditional) : Json()};
    }
    return {{"schedule", schedule}, {"unconditional", unconditional}, {"conditions", std::move(defaults)}};
}

Json Sampling::to_json() const {
    Json record = {{"schedule", schedule},          {"sampler", sampler}, {"steps", steps},
                   {"guidance", guidance},          {"width", width},     {"height", height},
                   {"size_multiple", size_multiple}};
    record.update(training());
    for (const LatentRange& range : ranges) record["ranges"].push_back(range.to_json());
    if (step_cache) record["step_cache"] = step_cache->to_json();
    return record;
}

Sampling Sampling::from_json(const Json& value) {
    const Json& record =
        record_of(value, {"schedule", "sampler", "steps", "guidance", "width", "height", "size_multiple"},
                  {"unconditional", "conditions", "ranges", "step_cache"});
    Sampling sampling;
    if (record.contains("ranges")) {
        sampling.ranges = each("ranges", record["ranges"], LatentRange::from_json, MAX_RANGES);
    }
    if (record.contains("step_cache")) {
        sampling.step_cache = inside("step_cache", [&] { return StepCache::from_json(record["step_cache"]); });
    }
    sampling.schedule = inside("schedule", [&] { return schedule_of(record["schedule"]); });
    sampling.sampler = check_label("sampler", record["sampler"]);
    sampling.steps = check_int("steps", record["steps"], 1, 10'000);
    sampling.guidance = check_number("guidance", record["guidance"], 0, 1000);
    sampling.size_multiple = check_int("size_multiple", record["size_multiple"], 1, MAX_SIDE);
    sampling.width = side_of("width", record["width"], sampling.size_multiple);
    sampling.height = side_of("height", record["height"], sampling.size_multiple);
    if (sampling.width * sampling.height > MAX_PIXELS) {
        throw unexpected("width", std::to_string(sampling.width) + "x" + std::to_string(sampling.height),
                         "a default size of at most " + std::to_string(MAX_PIXELS) + " pixels, such as 2048x2048");
    }
    const Json unconditional = record.value("unconditional", Json("empty"));
    if (std::ranges::none_of(UNCONDITIONAL, [&](std::string_view known) { return unconditional == known; })) {
        throw unexpected("unconditional", unconditional, "one of " + joined(UNCONDITIONAL));
    }
    sampling.unconditional = unconditional.get<std::string>();
    if (record.contains("conditions")) {
        inside("conditions", [&] {
            for (const auto& [key, item] : sorted_items(record["conditions"], 32)) {
                sampling.conditions.emplace(key, condition_of(key, *item));
            }
        });
    }
    check_ranges(sampling.ranges);
    return sampling;
}

}  // namespace latentlink
