"""What a generation starts from: pictures, masks, and half-way latents, on the demo bundle."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import latentlink
from latentlink.errors import LinkError, UsageError
from latentlink.ports import COEFFICIENTS
from latentlink.runtime import Latents, Pipeline, bundle_path
from latentlink.runtime.denoising.loop import coefficients
from latentlink.runtime.samplers import COLUMNS, read_schedule, sampler_table

PROMPT = "a red circle on a blue background"
OTHER = "a green square on a yellow background"


@pytest.fixture(scope="module")
def picture(demo: Pipeline) -> Image.Image:
    return demo.generate(PROMPT, seed=7, steps=10).images[0]


def left_half() -> Image.Image:
    """White on the left, where to paint."""
    return Image.fromarray(np.repeat([[255] * 32 + [0] * 32], 64, axis=0).astype(np.uint8))


def apart(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


@pytest.mark.parametrize("sampler", ["ddim", "euler", "euler_a"])
def test_a_run_handed_over_half_way_is_the_whole_run(demo: Pipeline, sampler: str) -> None:
    whole = demo.generate(PROMPT, seed=3, steps=10, sampler=sampler).latents.array
    first = demo.generate(PROMPT, seed=3, steps=10, sampler=sampler, denoising_end=0.6, decode=False)
    assert first.images == []
    rest = demo.generate(PROMPT, seed=3, steps=10, sampler=sampler, denoising_start=0.6, init_latents=first.latents)
    if sampler == "euler_a":  # the rest draws its noise anew
        assert apart(rest.latents.array, whole) > 1e-2
    else:
        assert apart(rest.latents.array, whole) < 1e-5


@pytest.mark.parametrize("sampler", ["ddim", "dpmpp_2m", "euler"])
def test_latents_carry_the_level_that_the_rest_of_their_run_begins_with(demo: Pipeline, sampler: str) -> None:
    def half(share: float) -> Latents:
        return demo.generate(
            PROMPT, seed=3, steps=5, sampler=sampler, denoising_end=share, guidance=1, decode=False
        ).latents

    table = sampler_table(sampler, read_schedule(demo.sampling.schedule), steps=5, start=0.6)
    assert half(0.6).level == tuple(table.levels[0])
    assert half(1.0).level == (1, 0)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"steps": 7}, "7 steps of ddim"),
        ({"sampler": "euler"}, "begins with signal 1, noise"),
        ({"denoising_start": 0.4}, "denoising_start 0.4"),
        ({"denoising_start": None}, "expected finished ones"),
    ],
)
def test_half_way_latents_are_refused_where_the_run_begins_with_another_amount_of_noise(
    demo: Pipeline, other: dict[str, Any], says: str
) -> None:
    options: dict[str, Any] = {"seed": 3, "steps": 5, "sampler": "ddim", "guidance": 1, "decode": False}
    half = demo.generate(PROMPT, **options, denoising_end=0.6).latents
    with pytest.raises(UsageError, match=says):
        demo.generate(PROMPT, **{**options, "denoising_start": 0.6, **other}, init_latents=half)
    # nobody knows how much noise another program's tensor holds
    unknown = replace(half, level=None)
    assert demo.generate(PROMPT, **{**options, "denoising_start": 0.6, **other}, init_latents=unknown)


def test_finished_latents_are_not_gone_on_from_half_way(demo: Pipeline, picture: Image.Image) -> None:
    with pytest.raises(UsageError, match="these are finished"):
        demo.generate(PROMPT, steps=5, init_latents=demo.encode(picture), denoising_start=0.5)


def test_a_sampler_that_stops_within_a_step_is_told_to_hand_nothing_over(demo: Pipeline) -> None:
    half = demo.generate(PROMPT, steps=6, sampler="heun", denoising_end=0.5, guidance=1, decode=False).latents
    with pytest.raises(UsageError, match="heun calls the model twice a step"):
        demo.generate(PROMPT, steps=6, sampler="heun", denoising_start=0.5, init_latents=half)


def test_half_way_latents_may_be_looked_at(demo: Pipeline) -> None:
    half = demo.generate(PROMPT, seed=3, steps=4, denoising_end=0.5, guidance=1)
    assert half.images[0].size == (64, 64)


def test_less_strength_stays_nearer_to_the_picture(demo: Pipeline, picture: Image.Image) -> None:
    clean = demo.encode([picture]).array
    distances = [
        apart(demo.generate(PROMPT, seed=1, steps=10, init_image=picture, strength=strength).latents.array, clean)
        for strength in (0.1, 0.3, 0.7)
    ]
    assert distances == sorted(distances)


@pytest.mark.parametrize("sampler", ["ddim", "pndm", "unipc", "heun", "lcm"])
def test_outside_a_mask_the_latent_is_the_pictures_and_inside_it_another(
    demo: Pipeline, picture: Image.Image, sampler: str
) -> None:
    settings = {"seed": 1, "steps": 10, "sampler": sampler}
    # pndm overshoots in so few steps, which a guard would say
    made = demo.generate(OTHER, **settings, init_image=picture, mask_image=left_half(), guard="off")  # type: ignore[arg-type]
    clean = demo.encode([picture]).array
    # the posterior's own spread: one sample of it is kept, and its mode is compared with
    assert apart(made.latents.array[..., 4:], clean[..., 4:]) < 0.1
    assert apart(made.latents.array[..., :4], clean[..., :4]) > 0.5


def test_one_picture_a_prompt_starts_that_prompts_pictures(demo: Pipeline, picture: Image.Image) -> None:
    blank = Image.new("RGB", (64, 64), "white")
    both = demo.generate([OTHER, PROMPT], seed=[1, 2], steps=5, init_image=[picture, blank], strength=0.3)
    alone = demo.generate(PROMPT, seed=[2], steps=5, init_image=blank, strength=0.3)
    assert apart(both.latents.array[1:], alone.latents.array) < 1e-5


def test_a_picture_of_another_size_is_resampled_or_gives_its_own_size(demo: Pipeline, picture: Image.Image) -> None:
    large = picture.resize((130, 70))
    assert demo.generate(OTHER, seed=1, steps=3, init_image=large).images[0].size == (128, 64)
    assert demo.generate(OTHER, seed=1, steps=3, init_image=large, width=64, height=64).images[0].size == (64, 64)


def test_latents_of_another_space_are_refused_with_the_transfer(demo: Pipeline) -> None:
    with latentlink.load("demo-b") as other:
        whole, half = (
            other.generate(PROMPT, seed=1, steps=4, denoising_end=end, decode=False).latents for end in (None, 0.5)
        )
    with pytest.raises(LinkError, match="latentlink transfer"):
        demo.generate(PROMPT, init_latents=whole)
    with pytest.raises(LinkError, match="cannot be moved: finish them"):
        demo.generate(PROMPT, init_latents=half, denoising_start=0.5)


def test_a_strength_without_anything_to_start_from_is_refused(demo: Pipeline) -> None:
    with pytest.raises(UsageError, match=r"strength 0\.5 needs something to start from"):
        demo.generate(PROMPT, strength=0.5)


def test_two_ways_to_say_where_to_begin_are_refused(demo: Pipeline) -> None:
    half = demo.generate(PROMPT, seed=1, steps=4, denoising_end=0.5, decode=False).latents
    with pytest.raises(UsageError, match="both say where to begin"):
        demo.generate(PROMPT, init_latents=half, denoising_start=0.5, strength=0.5)


def test_the_mask_reaches_the_step_from_the_second_row_on(demo: Pipeline) -> None:
    table = sampler_table("unipc", read_schedule(demo.sampling.schedule), steps=4)
    rows = dict(zip(COEFFICIENTS, coefficients(table, blends=True).T, strict=True))
    np.testing.assert_array_equal(rows["keep"], [1, 0, 0, 0])
    np.testing.assert_array_equal(rows["init"], np.array([0, *table.levels[1:4, 0]], np.float32))
    np.testing.assert_array_equal(rows["renoise"], np.array([0, *table.levels[1:4, 1]], np.float32))
    # what recovers an earlier x multiplies the x that no picture was blended into
    assert table.recovers.tolist() == [False, True, True, True]
    assert (rows["a"][1:] == 0).all()
    assert (rows["own"][1:] == table.rows[1:, COLUMNS.index("a")].astype(np.float32)).all()
    plain = dict(zip(COEFFICIENTS, coefficients(table, blends=False).T, strict=True))
    assert (plain["keep"] == 1).all()
    assert not (plain["own"].any() or plain["init"].any() or plain["renoise"].any())


def test_a_denoiser_of_another_bundle_keeps_what_it_was_trained_with(tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(bundle_path("demo"), other)
    manifest = json.loads((other / "manifest.json").read_text())
    manifest["sampling"]["schedule"]["prediction_type"] = "v_prediction"
    (other / "manifest.json").write_text(json.dumps(manifest))
    with latentlink.load("demo", replace={"denoiser": other}, verify=False) as pipe:
        assert pipe.sampling.schedule["prediction_type"] == "v_prediction"


def test_latents_that_are_no_batch_of_this_size_are_refused(demo: Pipeline) -> None:
    two = demo.generate(PROMPT, seed=1, steps=2, num_images=2, decode=False).latents
    with pytest.raises(UsageError, match="2 latents to start from for 3 pictures"):
        demo.generate(PROMPT, num_images=3, init_latents=two)


def test_the_bundles_condition_names_are_told_where_one_is_unknown(demo: Pipeline) -> None:
    with pytest.raises(UsageError, match="expected none"):
        demo.generate(PROMPT, conditions={"crop": (0, 0)})
