// Checks that engines were built for the requested sizes, before any of them runs.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "linking/link.h"

namespace latentlink {

// Refuse a size that an engine was not built for. `engines` are all that will run on the whole picture; `batch` is the
// number of pictures in the denoiser's batch, none if it is not known yet.
// Throws UsageError: a size is outside an engine's limits.
void check_limits(std::span<const Engine> engines, int width, int height, std::optional<int> batch, int downscale);

// The side in pixels nearest to the requested one that all engines were built for, a multiple of `multiple`; of two
// equally near ones, the larger; none if no side fits all engines. `dims` names the dimension in pixels and in latent
// elements: "W" and "w", or "H" and "h".
std::optional<int> nearest(std::span<const Engine> engines, std::pair<std::string_view, std::string_view> dims,
                           int side, int multiple, int downscale);

}  // namespace latentlink
