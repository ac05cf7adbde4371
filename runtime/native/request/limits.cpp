#include "request/limits.h"

#include <algorithm>
#include <map>
#include <string>

#include "options.h"
#include "vocabulary/errors.h"

namespace latentlink {

namespace {

// The size of a free dimension that a run has: how many of its units, of so many pixels each, and the words for it.
struct Wanted {
    std::int64_t size, unit;
    std::string words;
};

}  // namespace

void check_limits(std::span<const Engine> engines, int width, int height, std::optional<int> batch, int downscale) {
    const std::string wide = "Width " + std::to_string(width), high = "Height " + std::to_string(height);
    std::map<std::string, Wanted, std::less<>> wanted = {
        {"W", {width, 1, wide}},
        {"H", {height, 1, high}},
        {"w", {width / downscale, downscale, wide}},
        {"h", {height / downscale, downscale, high}},
    };
    if (batch) wanted["B"] = {*batch, 1, std::to_string(*batch) + " pictures a batch"};
    for (const Engine& engine : engines) {
        for (const auto& [dim, limit] : engine.limits) {
            const auto found = wanted.find(dim);
            if (found == wanted.end()) continue;
            const auto& [size, unit, words] = found->second;
            const auto [least, best, most] = limit;
            if (least <= size && size <= most) continue;
            const std::string fits = std::to_string(least * unit);
            throw UsageError(words + " is not what " + engine.title() + " was built for: " +
                                 (least == most ? fits : fits + " to " + std::to_string(most * unit)) + ".",
                             "Use a size it was built for, or build the bundle for this one: latentlink build --help.");
        }
    }
}

std::optional<int> nearest(std::span<const Engine> engines, std::pair<std::string_view, std::string_view> dims,
                           int side, int multiple, int downscale) {
    std::int64_t least = 1, most = MAX_SIDE;
    for (const Engine& engine : engines) {
        for (const auto& [dim, unit] : {std::pair{dims.first, 1}, std::pair{dims.second, downscale}}) {
            const auto found = engine.limits.find(dim);
            if (found == engine.limits.end()) continue;
            least = std::max(least, found->second[0] * unit);
            most = std::min(most, found->second[2] * unit);
        }
    }
    least = (least + multiple - 1) / multiple;
    most = most / multiple;
    if (least > most) return std::nullopt;
    const std::int64_t rounded =
        (2 * static_cast<std::int64_t>(side) + multiple) / (2 * static_cast<std::int64_t>(multiple));
    return static_cast<int>(std::min(std::max(rounded, least), most) * multiple);
}

}  // namespace latentlink
