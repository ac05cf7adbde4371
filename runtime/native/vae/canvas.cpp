#include "vae/canvas.h"

#include <array>

namespace latentlink {

CanvasLimits canvas_limits(const Engine& engine) {
    const auto limits = [&engine](std::string_view dim) -> std::array<std::int64_t, 3> {
        const auto found = engine.limits.find(dim);
        return found == engine.limits.end() ? std::array{std::int64_t{1}, std::int64_t{1}, UNLIMITED} : found->second;
    };
    const auto height = limits("h"), width = limits("w");
    return {.least_height = height[0], .most_height = height[2], .least_width = width[0], .most_width = width[2]};
}

}  // namespace latentlink
