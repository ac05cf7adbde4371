#include "samplers/schedules/flow_schedule.h"

#include <array>
#include <cmath>

#include "samplers/schedules/schedule_fields.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

constexpr std::array<std::string_view, 1> FLOWS = {FLOW};
constexpr std::array<std::string_view, 2> TIME_SHIFTS = {"exponential", "linear"};
constexpr std::array<std::string_view, 2> SIGMA_GRIDS = {"training", "uniform"};

constexpr auto TEXT = Field::Kind::text, WHOLE = Field::Kind::whole, NUMBER = Field::Kind::number,
               TRUTH = Field::Kind::truth;

constexpr std::array FIELDS = {
    Field{.name = "num_train_timesteps", .kind = WHOLE, .lowest = 2, .highest = 100'000},
    Field{.name = "prediction_type", .kind = TEXT, .options = FLOWS},
    Field{.name = "shift", .kind = NUMBER, .lowest = 1e-3, .highest = 1e3},
    Field{.name = "use_dynamic_shifting", .kind = TRUTH},
    Field{.name = "base_shift", .kind = NUMBER, .lowest = -10, .highest = 10},
    Field{.name = "max_shift", .kind = NUMBER, .lowest = -10, .highest = 10},
    Field{.name = "base_image_seq_len", .kind = WHOLE, .lowest = 1, .highest = 10'000'000},
    Field{.name = "max_image_seq_len", .kind = WHOLE, .lowest = 1, .highest = 10'000'000},
    Field{.name = "time_shift_type", .kind = TEXT, .options = TIME_SHIFTS},
    Field{.name = "shift_terminal", .kind = NUMBER, .lowest = 1e-6, .highest = 0.999, .nullable = true},
    Field{.name = "use_karras_sigmas", .kind = TRUTH},
    Field{.name = "use_exponential_sigmas", .kind = TRUTH},
    Field{.name = "use_beta_sigmas", .kind = TRUTH},
    Field{.name = "sigma_grid", .kind = TEXT, .options = SIGMA_GRIDS},
    Field{.name = "token_side", .kind = WHOLE, .lowest = 1, .highest = 4096, .nullable = true},
};

}  // namespace

FlowSchedule::FlowSchedule(const Json& data) {
    const std::array inert = {Inert{"invert_sigmas", false}, Inert{"stochastic_sampling", false},
                              Inert{"final_sigmas_type", "zero"}};
    const Json kept = known_keys(data, FIELDS, inert);
    check_fields(kept, FIELDS);
    sigmas = own_sigmas(kept);
    read(kept, "num_train_timesteps", num_train_timesteps);
    read(kept, "shift", shift);
    read(kept, "use_dynamic_shifting", use_dynamic_shifting);
    read(kept, "base_shift", base_shift);
    read(kept, "max_shift", max_shift);
    read(kept, "base_image_seq_len", base_image_seq_len);
    read(kept, "max_image_seq_len", max_image_seq_len);
    read(kept, "time_shift_type", time_shift_type);
    read(kept, "shift_terminal", shift_terminal);
    read(kept, "sigma_grid", sigma_grid);
    read(kept, "token_side", token_side);
    if (use_dynamic_shifting && base_image_seq_len >= max_image_seq_len) {
        throw refusal("base_image_seq_len " + std::to_string(base_image_seq_len) + " with max_image_seq_len " +
                          std::to_string(max_image_seq_len),
                      "the base below the maximum", "Check the checkpoint's scheduler config.");
    }
    if (use_dynamic_shifting && !token_side) {
        throw refusal("use_dynamic_shifting without token_side", "the pixels along one side of the denoiser's token",
                      "Export the model again, or add token_side to the manifest's schedule.");
    }
}

double FlowSchedule::dynamic_shift(std::optional<int> width, std::optional<int> height) const {
    if (!width || !height || !token_side) {
        throw refusal("no width and height with a model whose levels depend on the picture's size", "both in pixels",
                      "Pass width and height, or a shift.");
    }
    const double slope = (max_shift - base_shift) / (max_image_seq_len - base_image_seq_len);
    const double tokens = static_cast<double>(*width / *token_side) * (*height / *token_side);
    const double mu = tokens * slope + (base_shift - slope * base_image_seq_len);
    if (time_shift_type == "exponential") return std::exp(mu);
    if (mu <= 0) {
        throw refusal(std::to_string(*width) + " x " + std::to_string(*height) + " pixels, for which the shift is " +
                          general(mu, 3),
                      "a positive shift", "Pass one.");
    }
    return mu;
}

}  // namespace latentlink
