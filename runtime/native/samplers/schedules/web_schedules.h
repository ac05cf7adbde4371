// The schedules of ComfyUI and AUTOMATIC1111 that choose timesteps, by name. They are definitions to compare with: such
// a name is accepted where a spacing of this package visits the same timesteps.
#pragma once

#include <array>
#include <string_view>

#include "samplers/schedules/arrays.h"

namespace latentlink {

inline constexpr std::array<std::string_view, 5> WEB_SCHEDULES = {"normal", "uniform", "sgm_uniform", "simple",
                                                                  "ddim_uniform"};

// Falling timesteps of a name of WEB_SCHEDULES: `normal_scheduler`, `simple_scheduler` and `ddim_scheduler` of
// ComfyUI's `comfy/samplers.py`; "uniform" is A1111's name of "normal". "ddim_uniform" has more than `count` unless
// that divides T.
Numbers web_schedule(std::string_view name, int T, int count);

}  // namespace latentlink
