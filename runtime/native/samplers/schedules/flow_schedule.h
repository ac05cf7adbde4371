// Schedule of a flow-matching model: the spacing of its noise levels, and how it depends on the picture's size.
#pragma once

#include <optional>
#include <string>

#include "samplers/schedules/prediction.h"
#include "vocabulary/json.h"

namespace latentlink {

// x at level sigma is `(1 - sigma)*x0 + sigma*eps`, and the model reads `t = sigma*T`. Names and meanings are those of
// the scheduler configs of diffusers, apart from the last two.
struct FlowSchedule {
    // Read what the Python runtime's `to_json` wrote, or the same keys of a checkpoint's scheduler config.
    // Throws UsageError: a key is unknown, a value has the wrong type or is out of range, values contradict each other,
    // or the config needs an update that no sampler here has.
    explicit FlowSchedule(const Json& data);

    int num_train_timesteps = 1000;     // T; timesteps are above 0 and at most T, and need not be whole
    double shift = 1;                   // s of `sigma' = s*sigma / (1 + (s - 1)*sigma)` (Esser et al. 2024, eq. 23)
    bool use_dynamic_shifting = false;  // whether s depends on the number of tokens instead
    double base_shift = 0.5;            // mu at base_image_seq_len tokens, from which it is linear to max_shift
    double max_shift = 1.15;            // mu at max_image_seq_len tokens
    int base_image_seq_len = 256;
    int max_image_seq_len = 4096;
    std::string time_shift_type = "exponential";  // s is exp(mu), or with "linear" mu
    std::optional<double> shift_terminal;         // the last level above 0, to which shifted levels are stretched
    std::optional<std::string> sigmas;            // the checkpoint's own kind of levels, a name of SIGMAS
    std::string sigma_grid = "training";  // levels go down to the lowest of training; with "uniform", to 1/steps
    std::optional<int> token_side;        // pixels along one side of the denoiser's token

    // s for a picture of this size in pixels (Esser et al. 2024, section 5.3.2, made linear in the tokens).
    // Throws UsageError: the size is missing, or s is not positive.
    double dynamic_shift(std::optional<int> width, std::optional<int> height) const;
};

}  // namespace latentlink
