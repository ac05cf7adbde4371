"""The keys of scheduler configs: every key of every class of diffusers that a sampler equals."""

from __future__ import annotations

from latentlink.export.configs.rule import OFF, UNSET, Rules, inert, kept, only, within

FLOW = "flow_prediction"

_EITHER = (True, False, None)

# Ranges are those of `read_schedule` in runtime/samplers, so that an export has no schedule that no sampler reads.
_SCHEDULE = "the manifest's schedule"

NOISE_SCHEDULE: Rules = {
    # a key that is left out stays out of the manifest, as samplers have the defaults of their classes
    **only(
        _EITHER,
        "true or false",
        "set_alpha_to_one",
        "rescale_betas_zero_snr",
        "use_karras_sigmas",
        "use_exponential_sigmas",
        "use_beta_sigmas",
    ),
    **within(2, 100_000, _SCHEDULE, "num_train_timesteps"),
    **within(0, 1_000, _SCHEDULE, "steps_offset"),
    **within(1, 100_000, _SCHEDULE, "original_inference_steps"),
    **within(1e-6, 1e6, _SCHEDULE, "timestep_scaling"),
    **within(1e-9, 0.999, f"{_SCHEDULE}, with the default of the scheduler's class", "beta_start", "beta_end"),
    **only(
        ("linear", "scaled_linear", "squaredcos_cap_v2"), "linear, scaled_linear or squaredcos_cap_v2", "beta_schedule"
    ),
    **only(("epsilon", "v_prediction", "sample", FLOW, None), "a kind that samplers convert", "prediction_type"),
    **only(("leading", "linspace", "trailing", None), "leading, linspace or trailing", "timestep_spacing"),
    **only(("zero", "sigma_min", None), "zero or sigma_min", "final_sigmas_type"),
}
"""Keys of the manifest's schedule of a model with noise levels."""

FLOW_SCHEDULE: Rules = {
    **within(2, 100_000, _SCHEDULE, "num_train_timesteps"),
    **within(1e-3, 1e3, _SCHEDULE, "shift"),
    **within(-10.0, 10.0, _SCHEDULE, "base_shift", "max_shift"),
    **within(1, 10_000_000, _SCHEDULE, "base_image_seq_len", "max_image_seq_len"),
    **within(1e-6, 0.999, _SCHEDULE, "shift_terminal"),
    **only(
        _EITHER,
        "true or false",
        "use_dynamic_shifting",
        "use_karras_sigmas",
        "use_exponential_sigmas",
        "use_beta_sigmas",
    ),
    **only(("exponential", "linear", None), "exponential or linear", "time_shift_type"),
}
"""The same for models that predict flows. Recipes add token_side and sigma_grid, which only the pipeline knows."""

_KNOWN_BEFORE = "an update with coefficients that are known before sampling"
_FROM_CONFIG = "noise levels that follow from beta_start, beta_end and beta_schedule, or from shift"

REFUSED: Rules = {
    **only(OFF, _KNOWN_BEFORE, "clip_sample", "thresholding"),
    **only(OFF, "a setting that a sampler has", "invert_sigmas", "stochastic_sampling"),
    **only(UNSET, _FROM_CONFIG, "trained_betas", "sigma_min", "sigma_max"),
}
"""Keys that no sampler follows, whatever the class."""

SCHEDULERS: Rules = {
    **NOISE_SCHEDULE,
    **FLOW_SCHEDULE,
    **REFUSED,
    **within(1e-3, 1e3, "shift in the manifest's schedule, of the classes that also have noise levels", "flow_shift"),
    **kept(
        "SOLVERS in export/parts/solver.py: accepted values by class",
        "algorithm_type",
        "disable_corrector",
        "euler_at_final",
        "interpolation_type",
        "lambda_min_clipped",
        "lower_order_final",
        "predict_x0",
        "skip_prk_steps",
        "solver_order",
        "solver_p",
        "solver_type",
        "timestep_type",
        "use_flow_sigmas",
        "use_lu_lambdas",
        "variance_type",
    ),
    **inert("clip_sample alone reads it", "clip_sample_range"),
    **inert("thresholding alone reads it", "dynamic_thresholding_ratio", "sample_max_value"),
}
"""What becomes of each key."""
