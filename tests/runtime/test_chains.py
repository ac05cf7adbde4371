"""Chains over the two demo bundles: the same as their parts done one by one, and what cannot follow what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

import latentlink
from latentlink import Stage
from latentlink.errors import Cancelled, UsageError
from latentlink.runtime import Pipeline

PROMPT = "a red circle on a blue background"
OTHER = "a green square on a yellow background"


def test_a_chain_is_its_parts_one_by_one(demo: Pipeline, demo_b: Pipeline) -> None:
    stages = [
        Stage(pipeline=demo, steps=4),
        Stage(pipeline=demo_b, steps=6, strength=0.5, prompt=OTHER),
        Stage(pipeline=demo_b, steps=4, strength=0.5, seed=3),
    ]
    made = latentlink.chain(PROMPT, stages, seed=7, num_images=2)
    first = demo.generate(PROMPT, seed=7, num_images=2, steps=4)
    moved = latentlink.transfer(first.latents, source=demo, destination=demo_b)
    second = demo_b.generate(OTHER, seed=8, num_images=2, steps=6, strength=0.5, init_latents=moved.latents)
    third = demo_b.generate(PROMPT, seed=3, num_images=2, steps=4, strength=0.5, init_latents=second.latents)
    assert np.array_equal(made.latents.array, third.latents.array)
    assert [np.asarray(image).tobytes() for image in made.images] == [
        np.asarray(image).tobytes() for image in third.images
    ]
    assert [hop.kind for hop in made.hops] == ["transfer", "direct"]
    assert [hop.spaces for hop in made.hops] == [("demo", "demo-b"), ("demo-b", "demo-b")]
    assert [hop.psnr for hop in made.hops] == [moved.psnr, None]
    assert [len(stage.images) for stage in made.stages] == [0, 0, 2]


def test_every_picture_is_kept_where_that_is_asked(demo: Pipeline) -> None:
    picture = Image.new("RGB", (64, 64), "red")
    stages = [Stage(pipeline=demo, steps=4, strength=0.5), Stage(pipeline=demo, steps=4, strength=0.25)]
    made = latentlink.chain(PROMPT, stages, seed=[1], init_image=picture, keep=True)
    alone = demo.generate(PROMPT, seed=[1], steps=4, strength=0.5, init_image=picture)
    assert np.array_equal(np.asarray(made.stages[0].images[0]), np.asarray(alone.images[0]))
    assert made.stages[1].request.seed == 2


def test_a_stage_that_stops_half_way_is_gone_on_from_without_decoding(demo: Pipeline) -> None:
    stages = [Stage(pipeline=demo, steps=5, denoising_end=0.6), Stage(pipeline=demo, steps=5, denoising_start=0.6)]
    made = latentlink.chain(PROMPT, stages, seed=3)
    whole = demo.generate(PROMPT, seed=3, steps=5)
    assert made.hops[0].kind == "direct"
    # float32 sums in the same order; the level between them is not written out
    np.testing.assert_allclose(made.latents.array, whole.latents.array, atol=1e-5)


def test_a_stages_size_is_that_of_its_picture(demo: Pipeline, demo_b: Pipeline) -> None:
    stages = [Stage(pipeline=demo, steps=2), Stage(pipeline=demo_b, steps=2, strength=0.5, width=90)]
    with pytest.raises(UsageError, match=r"^Stage 2 \(demo-b\): demo-b takes pictures with sides in multiples of 16"):
        latentlink.chain(PROMPT, stages, seed=1)
    # two steps overshoot, which the guard of the transfer does not take for a picture
    made = latentlink.chain(PROMPT, stages, seed=1, fit=True, guard="off")
    assert made.hops[0].resized == ((64, 64), (96, 96))
    assert made.images[0].size == (96, 96)


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ({"strength": 0.5}, {"strength": 0.5}, r"Stage 1 \(demo\) has a strength, but nothing to go on from"),
        ({"denoising_start": 0.5}, {"strength": 0.5}, r"Stage 1 \(demo\) has a denoising_start"),
        ({}, {}, r"Stage 2 \(demo-b\) has no strength"),
        ({"denoising_end": 0.5}, {"strength": 0.5}, r"Stage 1 \(demo\) stops half way, and stage 2"),
        ({}, {"denoising_start": 0.5}, r"Stage 1 \(demo\) does not stop half way"),
        ({"denoising_end": 0.5}, {"denoising_start": 0.5}, "half way, but they are of another latent space"),
    ],
)
def test_stages_that_cannot_follow_each_other_are_refused_before_any_runs(
    demo: Pipeline, demo_b: Pipeline, first: dict[str, Any], second: dict[str, Any], says: str
) -> None:
    stages = [Stage(pipeline=demo, **first), Stage(pipeline=demo_b, **second)]
    with pytest.raises(UsageError, match=says):
        latentlink.chain(PROMPT, stages, on_step=lambda _: pytest.fail("it ran"))


def test_what_is_no_stage_is_refused(demo: Pipeline) -> None:
    none: list[Any] = [[], [demo], "demo"]
    for stages in none:
        with pytest.raises(UsageError, match="Received no stages"):
            latentlink.chain(PROMPT, stages)
    with pytest.raises(UsageError, match=r"pipeline is .*; expected Pipeline"):
        Stage(pipeline="demo")  # type: ignore[arg-type]


def test_a_refusal_names_the_stage(demo: Pipeline) -> None:
    stages: Callable[[float], list[Stage]] = lambda strength: [  # noqa: E731
        Stage(pipeline=demo, steps=1),
        Stage(pipeline=demo, steps=2, strength=strength),
    ]
    with pytest.raises(UsageError, match=r"^Stage 2 \(demo\): strength is 2"):
        latentlink.chain(PROMPT, stages(2))
    with pytest.raises(Cancelled, match=r"^Stage 1 \(demo\): Cancelled"):
        latentlink.chain(PROMPT, stages(0.5), on_step=lambda _: False)
