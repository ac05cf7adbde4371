// Picture sizes that one pass of the VAE's encoder or decoder accepts.
#pragma once

#include <cstdint>

#include "linking/link.h"
#include "vae/tiling.h"

namespace latentlink {

inline constexpr std::int64_t UNLIMITED = std::int64_t{1} << 30;

// Least and most height and width, in latent elements, of one pass of the VAE's encoder or decoder.
CanvasLimits canvas_limits(const Engine& engine);

}  // namespace latentlink
