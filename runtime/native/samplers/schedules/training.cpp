#include "samplers/schedules/training.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "samplers/schedules/schedule_fields.h"
#include "samplers/schedules/spacing.h"
#include "vocabulary/texts.h"

namespace latentlink {

namespace {

// `count` (2 or more) equally spaced float32 numbers, from both ends with one rounding each, as torch does.
Numbers linear(double start, double end, int count) {
    const float first = static_cast<float>(start), last = static_cast<float>(end);
    const float range = last - first;
    const double step = static_cast<double>(range / static_cast<float>(count - 1));
    Numbers values;
    for (int i = 0; i < count; ++i) {
        values.push_back(i < count / 2 ? static_cast<double>(first) + step * i
                                       : static_cast<double>(last) - step * (count - 1 - i));
    }
    return float32_values(std::move(values));
}

// Ho et al. 2020, section 4.
Numbers linear_betas(double start, double end, int count) { return linear(start, end, count); }

// Rombach et al. 2022: linear in the square root.
Numbers scaled_linear_betas(double start, double end, int count) {
    return mapped(linear(std::sqrt(start), std::sqrt(end), count), [](double x) { return float32_value(x * x); });
}

// Nichol and Dhariwal 2021, eq. 17, with betas capped at 0.999; start and end are not used.
Numbers cosine_betas(double, double, int count) {
    const auto alpha_bar = [count](int i) {
        const double cosine = std::cos((static_cast<double>(i) / count + 0.008) / 1.008 * std::numbers::pi / 2);
        return cosine * cosine;
    };
    Numbers betas;
    for (int i = 0; i < count; ++i) {
        betas.push_back(float32_value(std::min(1 - alpha_bar(i + 1) / alpha_bar(i), 0.999)));
    }
    return betas;
}

struct Betas {
    std::string_view name;
    Numbers (*make)(double start, double end, int count);
};

constexpr std::array BETAS = {
    Betas{"linear", linear_betas},
    Betas{"scaled_linear", scaled_linear_betas},
    Betas{"squaredcos_cap_v2", cosine_betas},
};
constexpr std::array BETA_SCHEDULES = {BETAS[0].name, BETAS[1].name, BETAS[2].name};

constexpr std::array<std::string_view, 2> FINAL_SIGMAS = {"zero", "sigma_min"};

constexpr auto TEXT = Field::Kind::text, WHOLE = Field::Kind::whole, NUMBER = Field::Kind::number,
               TRUTH = Field::Kind::truth;

constexpr std::array FIELDS = {
    Field{.name = "num_train_timesteps", .kind = WHOLE, .lowest = 2, .highest = 100'000},
    Field{.name = "beta_start", .kind = NUMBER, .lowest = 1e-9, .highest = 0.999},
    Field{.name = "beta_end", .kind = NUMBER, .lowest = 1e-9, .highest = 0.999},
    Field{.name = "beta_schedule", .kind = TEXT, .options = BETA_SCHEDULES},
    Field{.name = "prediction_type", .kind = TEXT, .options = PREDICTIONS},
    Field{.name = "timestep_spacing", .kind = TEXT, .options = SPACINGS, .nullable = true},
    Field{.name = "steps_offset", .kind = WHOLE, .lowest = 0, .highest = 1000, .nullable = true},
    Field{.name = "set_alpha_to_one", .kind = TRUTH, .nullable = true},
    Field{.name = "rescale_betas_zero_snr", .kind = TRUTH, .nullable = true},
    Field{.name = "final_sigmas_type", .kind = TEXT, .options = FINAL_SIGMAS, .nullable = true},
    Field{.name = "original_inference_steps", .kind = WHOLE, .lowest = 1, .highest = 100'000, .nullable = true},
    Field{.name = "timestep_scaling", .kind = NUMBER, .lowest = 1e-6, .highest = 1e6, .nullable = true},
    Field{.name = "use_karras_sigmas", .kind = TRUTH, .nullable = true},
    Field{.name = "use_exponential_sigmas", .kind = TRUTH, .nullable = true},
    Field{.name = "use_beta_sigmas", .kind = TRUTH, .nullable = true},
};

Numbers alpha_bar_of(const Numbers& betas) {
    double product = 1;
    return mapped(betas, [&product](double beta) { return float32_value(product *= float32_value(1 - beta)); });
}

// Lin et al. 2024, algorithm 1: shift and scale sqrt(alpha_bar) so that the last is 0 and the first stays.
Numbers zero_terminal_snr(const Numbers& betas) {
    const Numbers root = mapped(alpha_bar_of(betas), [](double x) { return float32_value(std::sqrt(x)); });
    const double first = root.front(), last = root.back();
    const double scale = float32_value(first / float32_value(first - last));
    const Numbers alpha_bar = mapped(root, [=](double x) {
        const double scaled = float32_value(float32_value(x - last) * scale);
        return float32_value(scaled * scaled);
    });
    Numbers rescaled;
    for (std::size_t i = 0; i < alpha_bar.size(); ++i) {
        const double alpha = i == 0 ? alpha_bar[0] : float32_value(alpha_bar[i] / alpha_bar[i - 1]);
        rescaled.push_back(float32_value(1 - alpha));
    }
    return rescaled;
}

}  // namespace

TrainingSchedule::TrainingSchedule(const Json& data) {
    const std::array inert = {Inert{"clip_sample", false}, Inert{"thresholding", false},
                              Inert{"variance_type", "fixed_small"}};
    const Json kept = known_keys(data, FIELDS, inert);
    std::vector<std::string_view> missing;
    for (const std::string_view key : {"beta_start", "beta_end", "beta_schedule"}) {
        if (!kept.contains(std::string(key))) missing.push_back(key);
    }
    if (!missing.empty()) {
        throw refusal("a schedule without " + joined(missing), "beta_start, beta_end and beta_schedule",
                      "Copy them from the checkpoint's scheduler config.");
    }
    check_fields(kept, FIELDS);
    sigmas = own_sigmas(kept);
    read(kept, "num_train_timesteps", num_train_timesteps);
    read(kept, "beta_start", beta_start);
    read(kept, "beta_end", beta_end);
    read(kept, "beta_schedule", beta_schedule);
    read(kept, "prediction_type", prediction_type);
    read(kept, "timestep_spacing", timestep_spacing);
    read(kept, "steps_offset", steps_offset);
    read(kept, "set_alpha_to_one", set_alpha_to_one);
    read(kept, "rescale_betas_zero_snr", rescale_betas_zero_snr);
    read(kept, "final_sigmas_type", final_sigmas_type);
    read(kept, "original_inference_steps", original_inference_steps);
    read(kept, "timestep_scaling", timestep_scaling);
    if (beta_start > beta_end) {
        throw refusal("beta_start " + repr(beta_start) + " above beta_end " + repr(beta_end),
                      "noise that grows with the timestep", "Check the checkpoint's scheduler config.");
    }
}

NoiseLevels TrainingSchedule::levels(ZeroSnr zero_snr) const {
    const auto schedule =
        std::ranges::find_if(BETAS, [this](const Betas& betas) { return betas.name == beta_schedule; });
    const Numbers betas = schedule->make(beta_start, beta_end, num_train_timesteps);
    const bool rescaled = rescale_betas_zero_snr.value_or(false) && zero_snr != ZeroSnr::ignored;
    Numbers alpha_bar = alpha_bar_of(rescaled ? zero_terminal_snr(betas) : betas);
    if (rescaled && zero_snr == ZeroSnr::finite) alpha_bar.back() = 0x1p-24;
    return NoiseLevels(std::move(alpha_bar));
}

}  // namespace latentlink
