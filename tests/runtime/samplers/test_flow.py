"""Given a scheduler of flows in the loop of diffusers, when our table runs in its place, then every x is the same."""

from __future__ import annotations

from math import exp
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from latentlink.runtime.samplers import (
    COLUMNS,
    FLOW_SAMPLERS,
    SAMPLERS,
    FlowSchedule,
    apply_row,
    read_schedule,
    sampler_table,
    samplers_for,
)

IMG2IMG = "StableDiffusion3Img2ImgPipeline"

# Of float32, in which diffusers computes: 6e-8 a rounding. Heun's derivative is (x - x0) / sigma there, where sigma can
# be 0.001 of x.
TOLERANCE = 5e-6
WIDER = {"flow_heun": 5e-5}

STATIC: dict[str, dict[str, Any]] = {
    "no shift": {},
    "shift 3": {"shift": 3.0},
    "shift 6, 1100 timesteps": {"shift": 6.0, "num_train_timesteps": 1100},
}
UNIFORM = {"sigma_grid": "uniform", "token_side": 16}
DYNAMIC: dict[str, dict[str, Any]] = {
    "dynamic": {"shift": 3.0, "use_dynamic_shifting": True, **UNIFORM},
    "dynamic on training's levels": {"use_dynamic_shifting": True, "token_side": 16},
    "terminal": {
        **UNIFORM,
        "use_dynamic_shifting": True,
        "max_shift": 0.9,
        "max_image_seq_len": 8192,
        "shift_terminal": 0.02,
    },
}
EULER_ONLY: dict[str, dict[str, Any]] = {
    "uniform": {"sigma_grid": "uniform"},
    "linear": {**UNIFORM, "use_dynamic_shifting": True, "time_shift_type": "linear"},
    "beta": {"use_beta_sigmas": True, "sigma_grid": "uniform"},
    "karras, shift 3": {"use_karras_sigmas": True, "shift": 3.0},
    "exponential, dynamic": {**UNIFORM, "use_exponential_sigmas": True, "use_dynamic_shifting": True},
}
CASES = [
    *((sampler, name) for sampler in FLOW_SAMPLERS for name in STATIC),
    # FlowMatchHeunDiscreteScheduler has static shifts only.
    *((sampler, name) for sampler in FLOW_SAMPLERS if sampler != "flow_heun" for name in DYNAMIC),
    *(("flow_euler", name) for name in EULER_ONLY),
]
SIZES = ((64, 64), (768, 512), (1024, 1024))


def _schedule(constants: dict[str, Any]) -> FlowSchedule:
    return FlowSchedule.from_json({"prediction_type": "flow_prediction", **constants})


def _their_scheduler(sampler: str, constants: dict[str, Any]) -> Any:
    diffusers = pytest.importorskip("diffusers")
    config = {key: value for key, value in constants.items() if key not in UNIFORM}
    if sampler in SAMPLERS:
        config |= {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": config.get("shift", 1)}
    return getattr(diffusers, FLOW_SAMPLERS[sampler].diffusers).from_config(config)


def _their_settings(sampler: str, constants: dict[str, Any], steps: int, width: int, height: int) -> dict[str, Any]:
    """What FluxPipeline and StableDiffusion3Pipeline pass to `set_timesteps`."""
    from diffusers.pipelines.flux.pipeline_flux import calculate_shift

    asked: dict[str, Any] = {"num_inference_steps": steps}
    if constants.get("sigma_grid") == "uniform" and sampler == "flow_euler":
        asked["sigmas"] = np.linspace(1.0, 1 / steps, steps)
    if constants.get("use_dynamic_shifting"):
        asked["mu"] = calculate_shift(
            (height // 16) * (width // 16),
            constants.get("base_image_seq_len", 256),
            constants.get("max_image_seq_len", 4096),
            constants.get("base_shift", 0.5),
            constants.get("max_shift", 1.15),
        )
    return asked


def check(loops: Any, sampler: str, name: str, steps: int, size: tuple[int, int], **part: Any) -> None:
    constants = (STATIC | DYNAMIC | EULER_ONLY)[name]
    masked = part.pop("masked", False)
    width, height = size
    theirs = loops.reference(
        _their_scheduler(sampler, constants),
        settings=_their_settings(sampler, constants, steps, width, height),
        pipeline=IMG2IMG if part else None,
        masked=masked,
        **part,
    )
    table = sampler_table(sampler, _schedule(constants), steps=steps, width=width, height=height, **part)
    ours = loops.ours(table, from_picture=bool(part), masked=masked)
    assert loops.difference(ours, theirs) <= WIDER.get(sampler, TOLERANCE)


@pytest.mark.parametrize(("sampler", "name"), CASES)
def test_whole_runs(loops: Any, sampler: str, name: str) -> None:
    # A single step ends where it begins, which diffusers divides by when it stretches to a terminal.
    for steps in range(2 if name == "terminal" else 1, 51, 7):
        check(loops, sampler, name, steps, (512, 768))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", DYNAMIC)
@pytest.mark.parametrize("sampler", ["flow_euler", "dpmpp_2m", "unipc"])
def test_every_size_has_its_shift(loops: Any, sampler: str, name: str, size: tuple[int, int]) -> None:
    for steps in (4, 28):
        check(loops, sampler, name, steps, size)


@pytest.mark.parametrize("masked", [False, True], ids=["picture", "mask"])
@pytest.mark.parametrize("part", [{"strength": 0.35}, {"strength": 0.6}, {"strength": 1.0, "end": 0.6}], ids=str)
@pytest.mark.parametrize(("sampler", "name"), [case for case in CASES if case[1] in ("shift 3", "dynamic")])
def test_a_part_of_a_run(loops: Any, sampler: str, name: str, part: dict[str, Any], masked: bool) -> None:
    for steps in (3, 10, 16):
        check(loops, sampler, name, steps, (512, 512), masked=masked, **part)


@pytest.mark.parametrize("sampler", FLOW_SAMPLERS)
def test_a_mask_around_pure_noise(loops: Any, sampler: str) -> None:
    check(loops, sampler, "shift 3", 8, (512, 512), masked=True)


def test_a_strength_that_cuts_a_step_does_it_whole_as_pipelines_of_flows_do() -> None:
    """Half of 5 steps is 3 here and 2 with a noise schedule."""
    flow = sampler_table("flow_euler", _schedule({}), steps=5, strength=0.5)
    noise = read_schedule({"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "linear"})
    assert flow.steps == 3
    assert sampler_table("euler", noise, steps=5, strength=0.5).steps == 2


def test_a_static_shift_counts_twice_at_the_lowest_level_of_training() -> None:
    """3 * 0.003 / (1 + 2 * 0.003) with 0.003 shifted from 0.001: the 0.0089 that 28 steps of diffusers end at."""
    table = sampler_table("flow_euler", _schedule({"shift": 3.0}), steps=28)
    assert table.levels[-2, 1] == pytest.approx(0.0089, abs=5e-5)
    uniform = sampler_table("flow_euler", _schedule({"shift": 3.0, "sigma_grid": "uniform"}), steps=28)
    assert uniform.levels[-2, 1] == pytest.approx(3 / 30)


def test_a_shift_that_is_asked_for_replaces_a_dynamic_one() -> None:
    dynamic = _schedule(DYNAMIC["dynamic"])
    asked = sampler_table("flow_euler", dynamic, steps=9, shift=2.0)
    static = sampler_table("flow_euler", _schedule({"shift": 2.0, "sigma_grid": "uniform"}), steps=9)
    np.testing.assert_array_equal(asked.rows, static.rows)


def test_the_shift_of_4096_tokens_is_the_largest_published_one() -> None:
    assert _schedule(DYNAMIC["dynamic"]).dynamic_shift(1024, 1024) == pytest.approx(exp(1.15))


@pytest.mark.parametrize("sampler", ["flow_euler", "flow_heun"])
def test_sigmas_that_are_asked_for_replace_the_checkpoints(sampler: str) -> None:
    asked = sampler_table(sampler, _schedule({"use_beta_sigmas": True}), steps=6, sigmas="karras")
    own = sampler_table(sampler, _schedule({"use_karras_sigmas": True}), steps=6)
    np.testing.assert_array_equal(asked.rows, own.rows)


@st.composite
def schedules(draw: st.DrawFn) -> FlowSchedule:
    return FlowSchedule(
        num_train_timesteps=draw(st.integers(100, 1500)),
        shift=draw(st.floats(0.1, 20)),
        use_dynamic_shifting=draw(st.booleans()),
        time_shift_type=draw(st.sampled_from(["exponential", "linear"])),
        shift_terminal=draw(st.sampled_from([None, 0.02, 0.1])),
        use_beta_sigmas=draw(st.booleans()),
        sigma_grid=draw(st.sampled_from(["training", "uniform"])),
        token_side=draw(st.sampled_from([8, 16, 32])),
    )


@pytest.mark.parametrize("sampler", FLOW_SAMPLERS)
@settings(max_examples=25, deadline=None)
@given(schedule=schedules(), steps=st.integers(1, 50), side=st.sampled_from([64, 512, 1024]))
def test_with_a_perfect_model_the_last_x_is_the_picture(
    sampler: str, schedule: FlowSchedule, steps: int, side: int
) -> None:
    """A model that always points from the one picture there is; every solver follows that straight line exactly."""
    table = sampler_table(sampler, schedule, steps=steps, width=side, height=side)
    assert np.isfinite(table.rows).all()
    assert table.steps == steps
    assert table.rows[:, COLUMNS.index("t")].max() <= schedule.num_train_timesteps
    np.testing.assert_allclose(table.levels.sum(1), 1)
    assert table.start_scale == 1
    noise = np.random.default_rng(3).standard_normal(64)
    # Not noise alone: dpmpp_2m and unipc begin a little below a level of 1.
    x = table.levels[0, 0] * 0.7 + table.levels[0, 1] * noise
    history: list[NDArray[np.float64]] = []
    for row in table.rows:
        x, denoised = apply_row(row, x, lambda x, t: noise - 0.7, history)
        history = [denoised, *history][:4]
    np.testing.assert_allclose(x, 0.7, atol=1e-9)


@pytest.mark.parametrize(
    ("sampler", "asked", "message"),
    [
        (
            "ddim",
            {},
            "'ddim' with a model that predicts the flow; expected one of flow_euler, flow_heun, dpmpp_2m, unipc",
        ),
        ("flow_eulr", {}, "Did you mean 'flow_euler'"),
        ("flow_euler", {"spacing": "leading"}, "no spacing"),
        ("flow_euler", {"eta": 0.0}, "no eta"),
        ("flow_euler", {"sigmas": "kerras"}, "Did you mean 'karras'"),
        ("dpmpp_2m", {"sigmas": "karras"}, "sigmas 'karras' for sampler 'dpmpp_2m' with a flow-matching model"),
        ("flow_euler", {"shift": 0}, "above 0"),
        ("flow_euler", {"shift": float("inf")}, "above 0"),
        ("flow_euler", {"shift": True}, "above 0"),
        ("flow_euler", {"steps": 1001}, "from 1 to 1000"),
        ("flow_euler", {"strength": 0.0}, "of which none is left"),
    ],
)
def test_a_refusal_says_what_came_and_what_was_expected(sampler: str, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sampler_table(sampler, _schedule({}), **{"steps": 10, **asked})


def test_a_model_whose_levels_depend_on_the_size_needs_one() -> None:
    with pytest.raises(ValueError, match="no width and height"):
        sampler_table("flow_euler", _schedule(DYNAMIC["dynamic"]), steps=4)


def test_the_samplers_of_a_model_are_those_that_fit_it() -> None:
    assert samplers_for(_schedule({})) == ("flow_euler", "flow_heun", "dpmpp_2m", "unipc")
    noise = read_schedule({"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "linear"})
    assert samplers_for(noise) == tuple(SAMPLERS)


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"invert_sigmas": True}, "invert_sigmas False"),
        ({"stochastic_sampling": True}, "stochastic_sampling False"),
        ({"shfit": 3.0}, "Did you mean 'shift'"),
        ({"shift": 0.0}, "float from 0.001"),
        ({"shift": "3"}, "float from"),
        ({"use_dynamic_shifting": 1}, "true or false"),
        ({"use_dynamic_shifting": True}, "without token_side"),
        ({"use_dynamic_shifting": True, "token_side": 16, "base_image_seq_len": 4096}, "the base below the maximum"),
        ({"use_karras_sigmas": True, "use_beta_sigmas": True}, "more than one of"),
        ({"time_shift_type": "cubic"}, "expected one of exponential, linear"),
        ({"sigma_grid": "flux"}, "expected one of training, uniform"),
        ({"shift_terminal": 1.0}, "float from"),
        ({"token_side": 0}, "int from 1"),
        ({"beta_start": 0.1}, "schedule key"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(constants: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_schedule({"prediction_type": "flow_prediction", **constants})


def test_json_round_trips() -> None:
    schedule = _schedule(DYNAMIC["terminal"])
    assert read_schedule(schedule.to_json()) == schedule
    assert schedule.sigmas is None
    assert _schedule(EULER_ONLY["beta"]).sigmas == "beta"
