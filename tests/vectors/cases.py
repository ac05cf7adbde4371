"""What both runtimes are asked: the requests of `tables.json`, `answers.json` and `noise.json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from random import Random
from typing import Any

from latentlink.runtime.samplers import FLOW_SAMPLERS, SAMPLERS

Case = dict[str, Any]

_BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}

SCHEDULES: Mapping[str, Mapping[str, Any]] = {
    "scaled": _BETAS,
    "published": {**_BETAS, "steps_offset": 1, "timestep_spacing": "leading", "set_alpha_to_one": False},
    "linear v": {
        "beta_start": 0.0001,
        "beta_end": 0.02,
        "beta_schedule": "linear",
        "prediction_type": "v_prediction",
        "final_sigmas_type": "sigma_min",
    },
    "cosine": {"beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "squaredcos_cap_v2"},
    "sample": {**_BETAS, "prediction_type": "sample", "use_karras_sigmas": True},
    "zero snr v": {
        **_BETAS,
        "prediction_type": "v_prediction",
        "rescale_betas_zero_snr": True,
        "timestep_spacing": "trailing",
    },
    "zero snr": {**_BETAS, "rescale_betas_zero_snr": True, "timestep_spacing": "leading"},
    "short": {"num_train_timesteps": 77, "beta_start": 0.001, "beta_end": 0.2, "beta_schedule": "linear"},
    "distilled": {**_BETAS, "original_inference_steps": 20, "timestep_scaling": 7.5},
    "flow": {"prediction_type": "flow_prediction"},
    "flow 3": {"prediction_type": "flow_prediction", "shift": 3.0},
    "flow dynamic": {
        "prediction_type": "flow_prediction",
        "use_dynamic_shifting": True,
        "token_side": 16,
        "sigma_grid": "uniform",
        "shift": 3.0,
    },
    "flow terminal": {
        "prediction_type": "flow_prediction",
        "use_dynamic_shifting": True,
        "token_side": 32,
        "base_shift": 0.2,
        "max_shift": 2.05,
        "base_image_seq_len": 1024,
        "shift_terminal": 0.1,
        "time_shift_type": "linear",
    },
    "flow beta": {"prediction_type": "flow_prediction", "num_train_timesteps": 500, "use_beta_sigmas": True},
}
"""Schedules by name, as a manifest has them."""

_PARTS: tuple[Case, ...] = (
    {},
    {"strength": 0.5},
    {"strength": 0.3},
    {"start": 0.4},
    {"end": 0.7},
    {"start": 0.2, "end": 0.85},
)


def table_cases() -> list[Case]:
    """Requests of `sampler_table`, with the name of a schedule; a thinned product, the same in every run."""
    return [*_noise_cases(), *_flow_cases()]


def _noise_cases() -> Iterator[Case]:
    chosen = Random(1)
    for schedule in (name for name, fields in SCHEDULES.items() if not name.startswith("flow")):
        for name, sampler in SAMPLERS.items():
            kinds = [(spacing, None) for spacing in (None, *sampler.spacings)] + [
                (None, kind) for kind in sampler.sigmas
            ]
            etas = (None, 0.3) if sampler.eta is not None else (None,)
            for (spacing, sigmas), steps, eta, part in product(kinds, (1, 2, 4, 7, 20, 33), etas, _PARTS):
                if chosen.random() > (0.05 if part else 0.5):
                    continue
                yield _case(schedule, name, steps, spacing=spacing, sigmas=sigmas, eta=eta, **part)


def _flow_cases() -> Iterator[Case]:
    chosen = Random(2)
    for schedule in (name for name in SCHEDULES if name.startswith("flow")):
        for name, sampler in FLOW_SAMPLERS.items():
            kinds = (None, *sampler.sigmas)
            for sigmas, steps, shift, part in product(kinds, (1, 2, 4, 7, 20, 33), (None, 2.5), _PARTS):
                if chosen.random() > (0.08 if part else 0.7):
                    continue
                size = chosen.choice(((512, 512), (1024, 768)))
                yield _case(schedule, name, steps, sigmas=sigmas, shift=shift, width=size[0], height=size[1], **part)


def _case(schedule: str, sampler: str, steps: int, **settings: Any) -> Case:
    given = {key: value for key, value in settings.items() if value is not None}
    return {"schedule": schedule, "sampler": sampler, "steps": steps, **given}


REFUSED_TABLES: tuple[Case, ...] = (
    *(
        _case("scaled", name, 20)
        for name in ("eulr", "flow_euler", "dpm_adaptive", "dpmpp_sde", "", "EULER", "x" * 300)
    ),
    *(_case("scaled", "euler", steps) for steps in (0, -1, 1001)),
    _case("scaled", "ddim", 1000, spacing="trailng"),
    _case("published", "ddim", 1000),
    _case("published", "dpmpp_2m", 1000),
    _case("short", "dpmpp_2m", 77),
    _case("scaled", "ddim", 20, sigmas="karras"),
    _case("scaled", "euler", 20, sigmas="Karas"),
    _case("scaled", "lcm", 4, spacing="leading"),
    _case("scaled", "dpmpp_2s", 4, spacing="leading"),
    _case("scaled", "lcm", 51),
    _case("distilled", "tcd", 21),
    _case("scaled", "euler", 20, eta=0.5),
    *(_case("scaled", "ddim", 20, eta=eta) for eta in (1.5, -0.25, 1e22)),
    _case("scaled", "euler", 20, shift=3.0),
    *(_case("flow", "flow_euler", 20, shift=shift) for shift in (0.0, -1.0, 1000.5)),
    _case("flow", "flow_euler", 20, spacing="leading"),
    _case("flow", "flow_euler", 20, eta=0.0),
    _case("flow", "euler", 20),
    _case("flow", "dpmpp_2m", 20, sigmas="karras"),
    _case("flow", "flow_euler", 20, sigmas="it's"),
    _case("flow dynamic", "flow_euler", 20),
    _case("flow dynamic", "flow_euler", 20, width=512),
    _case("flow terminal", "flow_euler", 20, width=32, height=32),
    _case("zero snr", "ddim", 20, spacing="trailing"),
    *(_case("scaled", "euler", 20, strength=strength) for strength in (0.0, 0.01, 1.5, -0.1, 1e-5)),
    *(_case("scaled", "euler", 1, strength=strength) for strength in (0.0, 0.5)),
    _case("scaled", "euler", 20, start=0.5, end=0.5),
    _case("scaled", "euler", 20, start=1.0),
    _case("scaled", "euler", 20, end=0.0),
    _case("scaled", "heun", 4, strength=0.25, end=0.1),
)
"""Requests that `sampler_table` refuses."""

NAMES = (
    *SAMPLERS,
    *FLOW_SAMPLERS,
    *(sampler.diffusers for sampler in SAMPLERS.values()),
    *(sampler.diffusers for sampler in FLOW_SAMPLERS.values()),
    *("DPM++ 2M Karras", "DPM++2M", "k_dpmpp_2m", "sample_dpmpp_2m", "DPMSolverMultistep", "DPM++ 2M SDE Karras"),
    *("DPM++ 2M SDE Exponential", "Euler a", "euler_ancestral", "DPM2 Karras", "LMS Karras", "Heun Beta", "PLMS"),
    *("uni_pc_bh2", " ddim ", "k-euler", "K Euler", "Euler Karras", "DDIM Karras", "DPM++ SDE", "DPM adaptive"),
    *("dpmpp_2m_sde_gpu", "Restart", "dpmpp_3m_sde", "eulr", "heunpp2", "ddpm!", "sgm_uniform", "normal", "karras"),
    *(
        "",
        "++",
        "k_",
        "scheduler",
        "FlowMatchEulerDiscreteScheduler",
        "it's",
        'a "b"',
        "tab\tand\nline",
        "größe",
        "x" * 250,
    ),
)
"""Names of samplers, right and wrong."""


def name_cases() -> Iterator[Case]:
    """Requests of `own_names`."""
    for schedule, sampler in product(("published", "flow 3"), NAMES):
        yield {"schedule": schedule, "sampler": sampler, "steps": 20}
    spacings = ("Trailing", "linspace", "karras", "normal", "Uniform", "sgm_uniform", "simple", "ddim_uniform", "even")
    samplers = ("euler", "dpmpp_2m", "ddim", "lcm", "DPM++ 2M Karras")
    for schedule, sampler, spacing, steps in product(("published", "short"), samplers, spacings, (1, 7, 20, 1000)):
        yield {"schedule": schedule, "sampler": sampler, "spacing": spacing, "steps": steps}
    for schedule, sampler, sigmas in product(
        ("scaled", "flow 3"), ("euler", "DPM++ 2M Karras", "ddim"), ("Karras", "beta", "trailing", "simple", "bta")
    ):
        yield {"schedule": schedule, "sampler": sampler, "sigmas": sigmas, "steps": 20}
    yield {"schedule": "scaled", "sampler": "euler", "sigmas": "karras", "spacing": "normal", "steps": 20}


REFUSED_SCHEDULES: tuple[Mapping[str, Any], ...] = (
    {},
    {"beta_start": 0.1},
    {**_BETAS, "beta_strt": 1},
    {**_BETAS, "thresholding": True},
    {**_BETAS, "thresholding": None},
    {**_BETAS, "variance_type": "learned_range"},
    {**_BETAS, "variance_type": "large"},
    {**_BETAS, "beta_schedule": "linaer"},
    {**_BETAS, "beta_schedule": None},
    {**_BETAS, "beta_schedule": ["a", {"b": [1.5, None, True]}, "c"]},
    {**_BETAS, "beta_schedule": [f"entry {n}" for n in range(40)]},
    {**_BETAS, "prediction_type": "flow"},
    {**_BETAS, "num_train_timesteps": 1},
    {**_BETAS, "num_train_timesteps": 1000.0},
    {**_BETAS, "num_train_timesteps": True},
    {**_BETAS, "num_train_timesteps": 10**18},
    {**_BETAS, "beta_start": 1e-10},
    {**_BETAS, "beta_start": "0.1"},
    {**_BETAS, "beta_start": 0.02},
    {**_BETAS, "steps_offset": -1},
    {**_BETAS, "timestep_scaling": 0},
    {**_BETAS, "set_alpha_to_one": 1},
    {**_BETAS, "use_karras_sigmas": True, "use_beta_sigmas": True},
    {"prediction_type": "flow_prediction", "beta_start": 1},
    {"prediction_type": "flow_prediction", "invert_sigmas": True},
    {"prediction_type": "flow_prediction", "final_sigmas_type": "sigma_min"},
    {"prediction_type": "flow_prediction", "shift": 0},
    {"prediction_type": "flow_prediction", "shift": None},
    {"prediction_type": "flow_prediction", "max_image_seq_len": 10**8},
    {"prediction_type": "flow_prediction", "use_dynamic_shifting": True},
    {"prediction_type": "flow_prediction", "use_dynamic_shifting": True, "base_image_seq_len": 4096},
    {"prediction_type": "flow_prediction", "use_beta_sigmas": True, "use_exponential_sigmas": True},
)
"""Schedules that `read_schedule` refuses."""

NOISE: tuple[Case, ...] = tuple(
    {"noise": noise, "seed": seed, "sizes": sizes}
    for noise in ("torch", "philox")
    for seed in (0, 1, 42, 2**32 - 1, 2**32 + 5, 2**64 - 1, -1, -(2**63))
    for sizes in ([3, 16, 5, 17, 1, 100], [256, 31, 15, 2])
)
"""Seeds, and how many numbers are drawn in each call."""
