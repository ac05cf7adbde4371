"""Guidance within an interval of noise levels: which rows it is, what they cost, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from latentlink.errors import UsageError
from latentlink.ports import guidance_port
from latentlink.runtime import Pipeline
from latentlink.runtime.denoising import guided_rows
from latentlink.runtime.request import Request
from latentlink.runtime.samplers import SAMPLERS, read_schedule, sampler_table
from tests.runtime.request.test_resolved import asked

PROMPT = "a red circle on a blue background"
WITHIN: dict[str, Any] = {"guidance": 5.0, "guidance_interval": (0.4, 5.0)}


def request(demo: Pipeline, **arguments: Any) -> Request:
    return asked(demo.sampling, **({"steps": 6, "sampler": "euler"} | WITHIN | arguments))


def test_outside_of_the_interval_the_network_runs_on_the_prompts_alone(
    demo: Pipeline, denoiser_runs: list[tuple[int, int]]
) -> None:
    demo.generate(PROMPT, num_images=3, seed=1, steps=6, sampler="euler", **WITHIN)
    # at sigma 5.9, 2.9, 1.6, 0.9, 0.49 and 0.04
    assert [rows for _, rows in denoiser_runs] == [3, 6, 6, 6, 6, 3]


def test_an_interval_around_all_levels_is_guidance_everywhere(demo: Pipeline) -> None:
    whole, within, off = (
        demo.generate(PROMPT, seed=1, steps=6, guidance=guidance, guidance_interval=interval).latents.array
        for guidance, interval in ((5.0, None), (5.0, (0, float("inf"))), (1.0, None))
    )
    assert np.array_equal(whole, within)
    some = demo.generate(PROMPT, seed=1, steps=6, **WITHIN).latents.array
    assert min(np.abs(some - whole).max(), np.abs(some - off).max()) > 0.01


def test_the_high_end_belongs_to_the_interval_and_the_low_end_does_not(demo: Pipeline) -> None:
    table = request(demo).table()
    ends = (float(table.sigmas[3]), float(table.sigmas[1]))
    guided = guided_rows(demo.linked.denoiser, request(demo, guidance_interval=ends), table)
    assert guided.tolist() == [False, True, True, False, False, False]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_rows_sigma_is_the_noise_level_that_the_model_is_told(demo: Pipeline, sampler: str) -> None:
    schedule = read_schedule(demo.sampling.schedule)
    table = sampler_table(sampler, schedule, steps=7)
    kept = np.cumprod(1 - np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2)  # demo's schedule
    told = np.interp(table.rows[:, 0], np.arange(1000), np.sqrt((1 - kept) / kept))
    # timesteps that are rounded to whole ones are half a timestep away: below 1 % of sigma, or 0.02 near the end
    np.testing.assert_allclose(table.sigmas, told, rtol=0.01, atol=0.02)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"guidance_interval": 3}, "guidance_interval is 3; expected two noise levels (low, high)"),
        ({"guidance_interval": (1, 2, 3)}, "guidance_interval is (1, 2, 3); expected two noise levels"),
        ({"guidance_interval": "12"}, "guidance_interval is '12'"),
        ({"guidance_interval": (2, 1)}, "guidance_interval is 2 to 1; expected two noise levels"),
        ({"guidance_interval": (-1, 1)}, "The low end of guidance_interval is -1"),
        ({"guidance_interval": (0, float("nan"))}, "The high end of guidance_interval is nan"),
        ({"guidance_interval": (20, 30)}, "holds none of this run's noise levels: its calls are at sigma 5.91, 2.91,"),
        ({"guidance": 1.0}, "but guidance 1 turns guidance off. Leave it out, or use a guidance above 1."),
    ],
)
def test_an_interval_that_says_nothing_is_refused(demo: Pipeline, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as refused:
        demo.generate(PROMPT, steps=6, sampler="euler", **(WITHIN | arguments))
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("how", "says"),
    [("embedded", "guidance was distilled into denoiser of demo"), (None, "denoiser of demo is not guided")],
)
def test_a_model_without_an_unconditional_half_is_refused(demo: Pipeline, how: str | None, says: str) -> None:
    class Other:
        inputs = (
            *(port for port in demo.linked.denoiser.session.inputs if port.kind != "guidance"),
            *(() if how is None else (guidance_port(how),)),
        )

    other: Any = Other()
    wanted = request(demo)
    with pytest.raises(UsageError, match=says):
        guided_rows(replace(demo.linked.denoiser, session=other), wanted, wanted.table())


def test_an_engine_that_was_built_for_one_number_of_rows_is_refused(demo: Pipeline) -> None:
    wanted = request(demo)
    built = replace(demo.linked.denoiser, limits={"N": (2, 2, 2)})
    with pytest.raises(UsageError, match=r"needs 1 rows of text outside of the interval and 2 inside, but .* for 2"):
        guided_rows(built, wanted, wanted.table())
    assert guided_rows(replace(built, limits={"N": (1, 2, 8)}), wanted, wanted.table()).sum() == 4
