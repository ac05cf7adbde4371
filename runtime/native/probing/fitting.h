// Probes of the sizes that an engine was built for, where its bundle has none.
#pragma once

#include <cstddef>
#include <span>

#include "bundle/probes.h"

namespace latentlink {

// Most elements of an output that a probe stores; of a larger output it stores every k-th.
inline constexpr std::size_t SAMPLE = 1u << 15;

// The probes of sizes that an engine takes, as `Probes::within`. If none fits, the first `count`, tiled to a size that
// fits, in the smallest batch: large ones take time. `limits` are the sizes that the engine was built for, `ports` the
// component's inputs; `run` runs what computes the new reference outputs.
Probes fit(const Probes& probes, const SizeLimits& limits, std::span<const Port> ports, const RunEngine& run,
           std::size_t count);

}  // namespace latentlink
