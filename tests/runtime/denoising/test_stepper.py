"""Several pictures in one call: each is the picture that it would be alone, whatever the others are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from latentlink.errors import UsageError
from latentlink.runtime import Pipeline
from latentlink.runtime.samplers import SAMPLERS

PROMPT = "a red circle on a blue background"
OTHER = "a green square on a yellow background"
LONG = "a red circle on a blue background, " * 12

Options = dict[str, Any]

PICTURES: Mapping[str, Sequence[Options]] = {
    "other steps": [{"steps": 3}, {"steps": 7}, {"steps": 5}],
    "guidance on and off": [{"guidance": 1.0}, {"guidance": 7.0}, {"guidance": 3.5}],
    "other samplers": [{"sampler": "euler_a"}, {"sampler": "heun"}, {"sampler": "dpmpp_2m"}],
    "other seeds": [{"seed": 5}, {"seed": 0}, {"seed": 5}],
    "a weighted prompt": [{"prompt": "a red circle"}, {"prompt": "a (green:1.4) star"}, {"prompt": OTHER}],
    "prompts of other lengths": [{"prompt": PROMPT}, {"prompt": LONG}, {"prompt": OTHER}],
    "everything": [
        {"prompt": LONG, "steps": 4, "guidance": 1.0, "sampler": "DPM++ 2M Karras", "seed": 1},
        {"prompt": PROMPT, "steps": 6, "guidance": 5.0, "sampler": "euler_a", "seed": 9},
        {"prompt": OTHER, "steps": 6, "guidance": 2.0, "sampler": "pndm", "seed": 9},
    ],
}


def together(pipe: Pipeline, pictures: Sequence[Options], **shared: Any) -> NDArray[np.floating]:
    """Latents of all pictures, made in one call."""
    filled = [{"prompt": PROMPT, "steps": 5, "guidance": 5.0, "sampler": "euler", "seed": 3} | one for one in pictures]
    columns: Options = {name: [one[name] for one in filled] for name in filled[0]}
    return pipe.generate(columns.pop("prompt"), **columns, **shared, decode=False, guard="off").latents.array


def alone(pipe: Pipeline, picture: Options, **shared: Any) -> NDArray[np.floating]:
    """Latents of one picture, made alone."""
    filled: Options = {"prompt": PROMPT, "steps": 5, "guidance": 5.0, "sampler": "euler", "seed": 3} | picture
    return pipe.generate(filled.pop("prompt"), **filled, **shared, decode=False, guard="off").latents.array


@pytest.mark.parametrize("step_cache", [1, 2])
@pytest.mark.parametrize("pictures", PICTURES)
def test_every_picture_is_the_one_it_would_be_alone(demo: Pipeline, pictures: str, step_cache: int) -> None:
    made = together(demo, PICTURES[pictures], step_cache=step_cache)
    for number, one in enumerate(PICTURES[pictures]):
        np.testing.assert_array_equal(made[number], alone(demo, one, step_cache=step_cache)[0])


def test_an_interval_of_guidance_lies_elsewhere_in_each_run(demo: Pipeline) -> None:
    pictures: list[Options] = [{"steps": 5}, {"steps": 8, "sampler": "heun"}, {"steps": 6, "guidance": 3.0}]
    shared: Options = {"guidance_interval": (0.4, 5.0), "step_cache": 2}
    made = together(demo, pictures, **shared)
    for number, one in enumerate(pictures):
        np.testing.assert_array_equal(made[number], alone(demo, one, **shared)[0])


@pytest.mark.parametrize("masked", [False, True])
def test_pictures_to_start_from_go_to_their_own_runs(demo: Pipeline, masked: bool) -> None:
    starts = [Image.new("RGB", (64, 64), colour) for colour in ("navy", "white", "green")]
    left = Image.fromarray(np.repeat([[255] * 32 + [0] * 32], 64, axis=0).astype(np.uint8))
    pictures: list[Options] = [{"steps": 8}, {"steps": 5}, {"steps": 8, "sampler": "euler_a"}]
    shared: Options = {"mask_image": left} if masked else {"strength": 0.6}
    made = together(demo, pictures, init_image=starts, **shared)
    for number, (one, start) in enumerate(zip(pictures, starts, strict=True)):
        np.testing.assert_array_equal(made[number], alone(demo, one, init_image=start, **shared)[0])


a_picture = st.fixed_dictionaries(
    {
        "prompt": st.sampled_from([PROMPT, OTHER, LONG]),
        "steps": st.integers(2, 6),
        "guidance": st.sampled_from([1.0, 3.0, 7.5]),
        "sampler": st.sampled_from([*SAMPLERS]),
        "seed": st.integers(0, 9),
    }
)


@given(pictures=st.lists(a_picture, min_size=2, max_size=4), step_cache=st.integers(1, 3))
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_mixture_of_pictures_is_made_as_if_each_were_alone(
    demo: Pipeline, pictures: list[Options], step_cache: int
) -> None:
    made = together(demo, pictures, step_cache=step_cache)
    for number, one in enumerate(pictures):
        np.testing.assert_array_equal(made[number], alone(demo, one, step_cache=step_cache)[0])


def test_runs_that_fit_together_run_together(demo: Pipeline, denoiser_runs: list[tuple[int, int]]) -> None:
    together(demo, [{"steps": 2}, {"steps": 4}, {"steps": 4, "sampler": "ddim"}, {"steps": 3, "guidance": 1.0}])
    # two rows of text a guided picture; the one without guidance runs apart, and each leaves when it is done
    assert denoiser_runs == [(3, 6), (1, 1), (3, 6), (1, 1), (2, 4), (1, 1), (2, 4)]


def test_an_engine_of_a_fixed_batch_keeps_it_when_a_picture_is_done(
    demo: Pipeline, denoiser_runs: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [{"steps": 2}, {"steps": 4}, {"steps": 5}]
    wanted = together(demo, pictures)
    denoiser_runs.clear()
    built = replace(demo.linked.denoiser, limits={"B": (3, 3, 3), "N": (3, 6, 6)})
    monkeypatch.setattr(demo, "_linked", replace(demo.linked, denoiser=built))
    made = together(demo, pictures)
    assert denoiser_runs == [(3, 6)] * 5
    np.testing.assert_array_equal(made, wanted)


def test_pictures_that_stop_half_way_stop_at_one_noise_level(demo: Pipeline) -> None:
    with pytest.raises(UsageError, match="stop at different noise levels") as refused:
        demo.generate(PROMPT, num_images=2, steps=[5, 7], denoising_end=0.5)
    assert "denoising_end" in refused.value.remedy
    half = demo.generate(PROMPT, num_images=2, steps=5, guidance=[1.0, 7.0], denoising_end=0.5, decode=False).latents
    assert half.half_way


def test_one_generator_draws_the_batch_where_that_is_asked(demo: Pipeline) -> None:
    batch = demo.generate(PROMPT, seed=3, num_images=3, steps=4, sampler="euler_a", batch_seed=True)
    first = demo.generate(PROMPT, seed=3, steps=4, sampler="euler_a")
    each = demo.generate(PROMPT, seed=3, num_images=3, steps=4, sampler="euler_a")
    # the first picture's first noise is the same; its later noise is drawn after the others' first
    assert not np.array_equal(batch.latents.array[0], first.latents.array[0])
    assert np.array_equal(each.latents.array[0], first.latents.array[0])
    assert [one.seed for one in batch.requests] == [3, 3, 3]
