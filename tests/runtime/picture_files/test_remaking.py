"""Pictures made again from their files: equal bytes, alone or with their batch, and what is told of a difference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import latentlink
from latentlink.errors import UsageError
from latentlink.runtime import Pipeline
from latentlink.runtime.picture_files import differences, overridden, read_picture_file
from tests.runtime.picture_files.samples import AVIF, SHA, record
from tests.runtime.picture_files.test_hostile import SETTINGS, png

PROMPT = 'a red circle,\non a "blue" background'
SMALL: dict[str, Any] = {"steps": 4, "seed": 7, "guard": "off"}


def again(pipe: Pipeline, file: Path, **more: Any) -> bytes:
    """The bytes of the file, made again from itself."""
    made = pipe.generate(**{**latentlink.picture_options(file), "guard": "off", **more})
    return made.save(file.with_stem("again"))[0].read_bytes()


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.webp", *AVIF, "x.tiff"])
def test_every_picture_of_a_call_is_made_again_alone_byte_by_byte(demo: Pipeline, tmp_path: Path, name: str) -> None:
    files = demo.generate(PROMPT, num_images=4, **SMALL).save(tmp_path / name)
    assert len(files) == 4
    for file in files:
        assert again(demo, file) == file.read_bytes()


@pytest.mark.parametrize(
    "options",
    [
        {"sampler": "DPM++ 2M Karras", "guidance": 3.1},
        {"sampler": "ddim", "eta": 0.7, "spacing": "trailing"},
        {"sampler": "euler_a", "noise": "philox", "width": 96, "height": 48},
        {"sampler": "heun", "negative_prompt": "a green star", "guidance_interval": (0.3, float("inf"))},
        {"step_cache": 2, "denoising_end": 0.5},
        {"guidance": 1.0, "sampler": "lcm"},
    ],
    ids=lambda options: ",".join(options),
)
def test_every_setting_is_in_the_file(demo: Pipeline, tmp_path: Path, options: dict[str, Any]) -> None:
    (file,) = demo.generate(PROMPT, **{**SMALL, **options}).save(tmp_path / "x.png")
    assert again(demo, file) == file.read_bytes()


def test_a_random_seed_is_in_the_file(demo: Pipeline, tmp_path: Path) -> None:
    (file,) = demo.generate(PROMPT, steps=2, seed=-1, guard="off").save(tmp_path / "x.png")
    assert latentlink.picture_options(file)["seed"] >= 0
    assert again(demo, file) == file.read_bytes()


@pytest.mark.parametrize(
    "options",
    [
        {"prompt": PROMPT, "num_images": 3},
        {"prompt": [PROMPT, "a green star"], "num_images": 2, "negative_prompt": ["", "red"]},
        {"prompt": ["a", "b", "b"], "guidance": [7.5, 1.0, 2.0]},
    ],
    ids=["one prompt", "two prompts", "guidance of each"],
)
def test_a_picture_of_a_batch_seed_comes_with_its_batch(
    demo: Pipeline, tmp_path: Path, options: dict[str, Any]
) -> None:
    files = demo.generate(**{**SMALL, **options}, batch_seed=True).save(tmp_path / "x.png")
    for file in files:
        made = demo.generate(**latentlink.picture_options(file), guard="off").save(tmp_path / "again.png")
        assert [one.read_bytes() for one in made] == [one.read_bytes() for one in files]


def picture(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8))


MASK = Image.fromarray(np.pad(np.full((32, 32), 255, np.uint8), 16))


def test_a_picture_from_pictures_is_made_again_from_its_own(demo: Pipeline, tmp_path: Path) -> None:
    begun = [picture(1), picture(2)]
    result = demo.generate(PROMPT, num_images=2, init_image=begun, mask_image=MASK, strength=0.6, **SMALL)
    for file, own, other in zip(result.save(tmp_path / "x.png"), begun, reversed(begun), strict=True):
        assert again(demo, file, init_image=own, mask_image=MASK) == file.read_bytes()
        assert again(demo, file, init_image=other, mask_image=MASK) != file.read_bytes()
        with pytest.raises(UsageError, match="Give init_image or init_latents"):
            again(demo, file)
        recorded = read_picture_file(file).record
        assert recorded is not None
        made = demo.generate(PROMPT, init_image=other, mask_image=MASK, **SMALL).records[0]
        assert differences(recorded, made) == [
            "The image to start from is not the one that it was made from: the picture will differ."
        ]


def test_a_picture_from_latents_is_made_again_from_them(demo: Pipeline, tmp_path: Path) -> None:
    half = demo.generate(PROMPT, denoising_end=0.5, decode=False, **SMALL)
    with pytest.raises(UsageError, match="The result has no pictures"):
        half.save(tmp_path / "x.png")
    (file,) = demo.generate(PROMPT, init_latents=half.latents, denoising_start=0.5, **SMALL).save(tmp_path / "x.png")
    assert "strength" not in latentlink.picture_options(file)
    assert again(demo, file, init_latents=half.latents) == file.read_bytes()


def test_a_picture_of_a_chain_says_its_stages_and_is_not_one_of_generate(
    demo: Pipeline, demo_b: Pipeline, tmp_path: Path
) -> None:
    first, second = latentlink.Stage(pipeline=demo, steps=4), latentlink.Stage(pipeline=demo_b, strength=0.5, steps=4)
    made = latentlink.chain(PROMPT, [first, second], seed=7, num_images=2, keep=True, guard="off")
    files = made.save(tmp_path / "x.png")
    for number, file in enumerate(files):
        found = read_picture_file(file).record
        assert found is not None
        (earlier,) = found.earlier
        assert (earlier.origin.name, found.origin.name) == ("demo", "demo-b")
        assert (earlier.options["seed"], found.options["seed"]) == (7 + number, 8 + number)
        assert set(found.started_from) == {"latents"}
        with pytest.raises(UsageError, match="was made by a chain of 2 stages; expected a picture of generate"):
            latentlink.picture_options(file)
    (kept, _) = made.stages[0].save(tmp_path / "stage1.png")
    assert again(demo, kept) == kept.read_bytes()


def test_a_replaced_component_is_in_the_record(tmp_path: Path, demo: Pipeline) -> None:
    with latentlink.load("demo", replace={"vae_decoder": "demo-tiny"}) as other:
        replaced = other.generate(PROMPT, **SMALL).records[0]
    own = demo.generate(PROMPT, **SMALL).records[0]
    assert [*replaced.origin.replaced] == ["vae_decoder"]
    assert replaced.origin.manifest == own.origin.manifest
    says = "It was made with the vae_decoder of {}: the picture may differ."
    assert differences(replaced, own)[0] == says.format("another bundle")
    assert differences(own, replaced)[0] == says.format("the model itself")


def test_another_model_engine_or_version_is_told() -> None:
    made = record()
    origin = made.origin
    assert differences(made, made) == []
    other = replace(made, origin=replace(origin, name="theirs", manifest=SHA[::-1]))
    assert differences(made, other) == [
        "It was made by demo (manifest 01234567), and this is theirs (manifest fedcba98): the picture may differ."
    ]
    moved = replace(made, origin=replace(origin, engines={"denoiser": ("openvino-cpu", "bfloat16")}))
    assert differences(made, moved) == [
        "It was made with denoiser on ort-cpu in float32: the picture may differ a little."
    ]
    older = replace(made, version="0.0.9")
    assert differences(older, made) == [f"It was made by latentlink 0.0.9, and this is {made.version}."]


def test_a_picture_of_another_program_gives_what_its_text_says(tmp_path: Path) -> None:
    text = f"a (red:1.2) circle\nNegative prompt: blurry\n{SETTINGS}, Schedule type: Karras, Denoising strength: 0.5"
    assert latentlink.picture_options(png(tmp_path / "x.png", parameters=text)) == {
        "prompt": "a (red:1.2) circle",
        "negative_prompt": "blurry",
        "steps": 4,
        "sampler": "Euler a",
        "sigmas": "karras",
        "guidance": 5.0,
        "seed": 7,
        "width": 64,
        "height": 64,
    }


def test_a_picture_that_says_nothing_gives_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not say how it was made"):
        latentlink.picture_options(png(tmp_path / "x.png"))


def test_what_belongs_to_a_replaced_option_goes_with_it() -> None:
    own = {"prompt": "a", "sampler": "dpmpp_2m", "sigmas": "karras", "eta": 0.5, "strength": 0.6, "seed": 7}
    assert overridden(own, {"seed": 8, "steps": None}) == {**own, "seed": 8}
    assert overridden(own, {"sampler": "ddim"}) == {"prompt": "a", "sampler": "ddim", "strength": 0.6, "seed": 7}
    assert overridden(own, {"sampler": "lms", "sigmas": "beta"})["sigmas"] == "beta"
    assert "strength" not in overridden(own, {"denoising_start": 0.5})
    interval = {"prompt": "a", "guidance": 7.0, "guidance_interval": (0.3, 5.0)}
    assert overridden(interval, {"guidance": 1.0}) == {"prompt": "a", "guidance": 1.0}
    assert overridden(interval, {"guidance": 2.0}) == {**interval, "guidance": 2.0}
