#include "bundle/calibration_records.h"

#include <array>
#include <limits>

#include "bundle/record_checks.h"

namespace latentlink {

namespace {

constexpr std::size_t MAX_CHANNELS = 4096;
constexpr double ANY = -std::numeric_limits<double>::infinity();

Interval interval(const std::string& where, const Json& value, double least) {
    const Json& pair = list_of(where, value, 2);
    if (pair.size() != 2) throw unexpected(where, value, "[lowest, highest]");
    const double low = check_number(where, pair[0], least), high = check_number(where, pair[1], least);
    if (high < low) throw unexpected(where, value, "[lowest, highest]");
    return {low, high};
}

std::vector<Interval> intervals(std::string_view key, const Json& value, double least) {
    std::vector<Interval> found;
    for (const Json& one : list_of(key, value, MAX_CHANNELS)) {
        found.push_back(interval(numbered(key, found.size()), one, least));
    }
    return found;
}

}  // namespace

Json LatentRange::to_json() const {
    return {{"level", level}, {"mean", Json(mean)}, {"std", Json(std)}, {"rms", Json(rms)}};
}

LatentRange LatentRange::from_json(const Json& value) {
    const Json& record = record_of(value, {"level", "mean", "std", "rms"});
    LatentRange range;
    range.level = check_number("level", record["level"], 0, 1);
    range.mean = intervals("mean", record["mean"], ANY);
    range.std = intervals("std", record["std"], 0);
    range.rms = interval("rms", record["rms"], 0);
    if (range.mean.empty() || range.std.size() != range.mean.size()) {
        throw ManifestError("std", "received " + std::to_string(range.std.size()) +
                                       " channels, expected as many as mean has, " + std::to_string(range.mean.size()) +
                                       ", and one");
    }
    return range;
}

StepCache StepCache::from_json(const Json& value) {
    const Json& record = record_of(value,
                                   {"every", "steps", "gate_pictures", "gate_cosines", "gate_psnr", "gate_least_psnr",
                                    "gate_ssim", "gate_least_ssim"},
                                   {"gate_judged", "gate_right", "gate_reference_right"});
    for (const auto& [key, item] : record.items()) {
        item.is_string() ? void(check_text(key, item)) : void(check_number(key, item, ANY));
    }
    auto quality = Quality::of_parity(record);
    if (!quality) {
        throw ManifestError("", "received figures that are no numbers, expected those of latentlink calibrate");
    }
    return {.every = check_int("every", record["every"], 2, 1000),
            .steps = check_int("steps", record["steps"], 1, 10'000),
            .quality = *std::move(quality),
            .record = record};
}

}  // namespace latentlink
