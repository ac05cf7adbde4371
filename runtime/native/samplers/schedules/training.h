// The training of a denoiser: its noise schedule and the kind of its prediction.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "samplers/schedules/levels.h"
#include "samplers/schedules/prediction.h"
#include "vocabulary/json.h"

namespace latentlink {

// How a sampler treats a model with `rescale_betas_zero_snr`.
enum class ZeroSnr {
    exact,    // the last level is pure noise
    finite,   // alpha_bar is 2**-24 there, so that sigma is finite
    ignored,  // as if the model had not been trained so
};

// The forward process, and the explicit settings of the checkpoint's scheduler config. Names and meanings are those of
// the scheduler configs of diffusers. No value means that the config has no such setting: the default of the sampler in
// use applies.
struct TrainingSchedule {
    // Read what the Python runtime's `to_json` wrote, or the same keys of a checkpoint's scheduler config.
    // Throws UsageError: a key is unknown or missing, a value has the wrong type or is out of range, values contradict
    // each other, or the config needs an update that depends on the picture.
    explicit TrainingSchedule(const Json& data);

    int num_train_timesteps = 1000;  // T; timesteps are 0 to T-1
    double beta_start = 0;           // variance added at t = 0, in (0, 1)
    double beta_end = 0;             // variance added at t = T-1, in (0, 1)
    std::string beta_schedule;       // "linear", "scaled_linear" or "squaredcos_cap_v2"
    std::string prediction_type = "epsilon";
    std::optional<std::string> timestep_spacing;   // a name of SPACINGS
    std::optional<int> steps_offset;               // number added to timesteps of "leading" spacing
    std::optional<bool> set_alpha_to_one;          // whether the last step of a discrete sampler ends at no noise
    std::optional<bool> rescale_betas_zero_snr;    // trained with zero terminal SNR (Lin et al. 2024)
    std::optional<std::string> final_sigmas_type;  // samplers in sigma end at "zero", or at "sigma_min" of t = 0
    std::optional<int> original_inference_steps;   // of the schedule that a consistency model was distilled on
    std::optional<double> timestep_scaling;        // of a consistency model's boundary condition
    std::optional<std::string> sigmas;             // the checkpoint's own kind of levels, a name of SIGMAS

    Prediction prediction() const { return prediction_named(prediction_type); }

    // The noise level of every timestep. The table is float32, as in training and in every published implementation:
    // the rounding of `1 - beta` moves the smallest sigma by 4e-5 of itself, so it is part of the schedule.
    NoiseLevels levels(ZeroSnr zero_snr) const;
};

}  // namespace latentlink
