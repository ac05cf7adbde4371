"""What a notebook or a log shows of a pipeline, a result and latents: one short line, with no prompt and no numbers."""

from __future__ import annotations

import re

import numpy as np

import latentlink
from latentlink.runtime import Pipeline

PROMPT = "a red circle on a blue background"


def test_a_pipeline_shows_its_name_family_space_and_engines() -> None:
    with latentlink.load("demo") as pipe:
        assert repr(pipe) == "<Pipeline demo: sd1, space 'demo', ort-cpu float32>"
    assert repr(pipe) == "<Pipeline demo: sd1, space 'demo', ort-cpu float32, closed>"


def test_a_result_shows_its_pictures_seed_and_seconds(demo: Pipeline) -> None:
    one = demo.generate(PROMPT, seed=7, steps=2, guard="off")
    assert re.fullmatch(r"<Result: 1 picture, 64x64, 2 steps, seed 7, \d+\.\d\d s>", repr(one))
    several = demo.generate(PROMPT, seed=[*range(9)], num_images=9, steps=2, guard="off")
    assert "9 pictures, 64x64, 2 steps, seeds 0 to 8" in repr(several)
    assert "no pictures" in repr(demo.generate(PROMPT, steps=2, decode=False, guard="off"))


def test_latents_show_their_shape_space_and_how_far_they_are(demo: Pipeline) -> None:
    half = demo.generate(PROMPT, steps=4, denoising_end=0.5, decode=False, guard="off").latents
    assert repr(half) == "<Latents [1, 4, 8, 8] float32 of space 'demo', half way>"
    finished = latentlink.Latents(array=half.array.astype(np.float16), space=half.space)
    assert repr(finished) == "<Latents [1, 4, 8, 8] float16 of space 'demo', finished>"
    unknown = latentlink.Latents(array=half.array, space=half.space, level=None)
    assert repr(unknown).endswith("noise level unknown>")


def test_nothing_that_may_end_in_a_log_shows_a_prompt_or_an_address(demo: Pipeline) -> None:
    seen: list[str] = []
    result = demo.generate(
        PROMPT, seed=7, steps=[2, 3], num_images=2, guard="off", on_step=lambda at: seen.append(repr(at))
    )
    shown = [*seen, repr(result), repr(result.request), repr(demo.encode_prompt(PROMPT)), repr(demo.steps(PROMPT))]
    assert not [text for text in shown if PROMPT in text or "0x" in text or "\n" in text]
    assert "2 to 3 steps" in repr(result)
    assert repr(result.request) == "<Request: seed 7, ddim, 2 steps, guidance 7.5, 64x64>"


def test_only_a_run_from_a_picture_takes_time_in_the_vaes_encoder(demo: Pipeline) -> None:
    plain = demo.generate(PROMPT, seed=7, steps=2, guard="off")
    assert plain.timings["vae_encoder"] == 0
    again = demo.generate(PROMPT, seed=7, steps=4, init_image=plain.images[0], guard="off")
    assert 0 < again.timings["vae_encoder"] < again.timings["total"]
