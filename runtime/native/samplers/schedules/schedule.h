// The two kinds of schedule that a denoiser can have been trained with.
#pragma once

#include <variant>

#include "samplers/schedules/flow_schedule.h"
#include "samplers/schedules/training.h"

namespace latentlink {

using Schedule = std::variant<TrainingSchedule, FlowSchedule>;

// The schedule of a manifest, or of a checkpoint's scheduler config; `prediction_type` says which kind it is.
// Throws UsageError: a key is unknown or missing, a value has the wrong type or is out of range, or the config needs an
// update that no sampler here has.
Schedule read_schedule(const Json& data);

// T: the number of timesteps of training.
int timesteps_of(const Schedule& schedule);

// What the denoiser predicts.
Prediction prediction_of(const Schedule& schedule);

}  // namespace latentlink
