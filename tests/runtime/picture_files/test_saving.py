"""Saving: what a file carries, where, and that programs of others read it."""

from __future__ import annotations

import json
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sd_parsers import ParserManager

from latentlink.errors import UsageError
from latentlink.runtime.picture_files import read_picture_file, save_pictures
from latentlink.runtime.picture_files.metadata import USER_COMMENT
from latentlink.runtime.picture_files.record import Record
from tests.runtime.picture_files.samples import AVIF, HARD_PROMPTS, record

BOTH = ("x.png", "x.jpg", "x.webp", *AVIF)
"""Files that carry the record and the text."""

KEPT: list[Image.Image] = []
"""Pictures that the other project has seen: it knows the last one again by its address, which a later one may get."""

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8))


def saved(path: Path, made: Record, quality: int | None = None) -> Path:
    (file,) = save_pictures([PICTURE], path, records=[made], quality=quality)
    return file


@pytest.mark.parametrize("prompt", HARD_PROMPTS)
@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.webp"])
def test_another_project_reads_prompts_and_settings(tmp_path: Path, name: str, prompt: str) -> None:
    with Image.open(saved(tmp_path / name, record(prompt, negative_prompt=prompt))) as image:
        KEPT.append(image)
        found = ParserManager().parse(image)
    assert found is not None
    (sampler,) = found.samplers
    assert [one.value for one in sampler.prompts] == [prompt]
    assert [one.value for one in sampler.negative_prompts] == [prompt]
    assert sampler.name == "DPM++ 2M"
    assert sampler.parameters == {"cfg_scale": "7.5", "seed": "7", "steps": "20", "scheduler": "Karras"}
    assert sampler.model is not None
    assert (sampler.model.name, sampler.model.hash) == ("demo", "0123456789")
    assert found.metadata["Size"] == "64x48"


@pytest.mark.parametrize("prompt", HARD_PROMPTS)
@pytest.mark.parametrize("name", BOTH)
def test_a_file_says_again_what_was_written(tmp_path: Path, name: str, prompt: str) -> None:
    made = record(prompt)
    found = read_picture_file(saved(tmp_path / name, made))
    assert found.record == made
    assert found.parameters is not None
    assert found.parameters.prompt == prompt
    assert found.size == (64, 48)


@pytest.mark.parametrize("name", ["x.jpg", "x.webp", *AVIF])
def test_the_comment_is_of_the_type_in_which_the_web_ui_looks_for_it(tmp_path: Path, name: str) -> None:
    data = saved(tmp_path / name, record("été")).read_bytes()
    undefined = struct.pack(">HH", USER_COMMENT, 7)
    assert data.count(undefined) == 1
    length, place = struct.unpack_from(">II", data, data.index(undefined) + 4)
    comment = data[data.index(b"MM\0*") + place :][:length]
    assert comment.startswith(b"UNICODE\0" + "été\nNegative prompt: ".encode("utf-16-be"))


def test_tiff_carries_the_record_alone(tmp_path: Path) -> None:
    found = read_picture_file(saved(tmp_path / "x.tiff", record()))
    assert found.record == record()
    assert found.text is None


@pytest.mark.parametrize("name", ["x.gif", "x.bmp", "x.ppm"])
def test_formats_without_a_place_for_it_carry_nothing(tmp_path: Path, name: str) -> None:
    with pytest.warns(UserWarning, match="file does not hold how the picture was made; PNG, JPEG, WebP and AVIF do"):
        file = saved(tmp_path / name, record())
    found = read_picture_file(file)
    assert (found.record, found.text) == (None, None)


@pytest.mark.parametrize("name", [*BOTH, "x.tiff"])
def test_equal_pictures_make_equal_files_and_without_records_they_carry_nothing(tmp_path: Path, name: str) -> None:
    assert saved(tmp_path / name, record()).read_bytes() == saved(tmp_path / f"y{name}", record()).read_bytes()
    save_pictures([PICTURE], tmp_path / name)
    found = read_picture_file(tmp_path / name)
    assert (found.record, found.text) == (None, None)
    assert b"circle" not in (tmp_path / name).read_bytes()


def test_a_png_has_the_chunks_that_the_documentation_names(tmp_path: Path) -> None:
    with Image.open(saved(tmp_path / "x.png", record("été"))) as image:
        assert image.info["parameters"].startswith("été\nNegative prompt: ")
        assert json.loads(image.info["latentlink"])["prompt"] == "été"


def test_nul_which_a_chunk_cannot_hold_is_replaced_in_the_text_alone(tmp_path: Path) -> None:
    found = read_picture_file(saved(tmp_path / "x.png", record("a\0b")))
    assert found.text is not None
    assert found.text.startswith("a\ufffdb\n")
    assert found.record == record("a\0b")


@pytest.mark.parametrize(
    ("made", "left_out", "record_there", "text_there"),
    [
        (record("x" * 20_000), [], True, True),
        (record("夜" * 20_000, negative_prompt="x" * 5_000), ["record"], False, True),
        (record("x" * 20_000, negative_prompt="y" * 20_000), ["text"], True, False),
        (record("夜" * 20_000, negative_prompt="y" * 20_000), ["record", "text"], False, False),
    ],
    ids=["20,000 letters", "25,000 of them of three bytes", "40,000 letters", "40,000 of them of three bytes"],
)
def test_what_is_too_long_for_jpeg_is_left_out_with_a_sentence(
    tmp_path: Path, made: Record, left_out: list[str], record_there: bool, text_there: bool
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        file = saved(tmp_path / "x.jpg", made)
    assert [str(one.message).split(": the ")[1].split()[0] for one in caught] == left_out
    assert all("a JPEG file holds" in str(one.message) for one in caught)
    found = read_picture_file(file)
    assert (found.record == made, found.text is not None) == (record_there, text_there)


@pytest.mark.parametrize("name", ["x.png", "x.webp", *AVIF])
def test_other_formats_hold_the_longest_prompts(tmp_path: Path, name: str, recwarn: pytest.WarningsRecorder) -> None:
    made = record("夜" * 20_000, negative_prompt="🌫" * 20_000)
    found = read_picture_file(saved(tmp_path / name, made))
    assert not recwarn.list
    assert found.record == made
    assert found.parameters is not None
    assert found.parameters.negative_prompt == "🌫" * 20_000


@pytest.mark.parametrize("name", ["x.jpg", "x.webp", *AVIF])
def test_a_higher_quality_is_nearer_to_the_picture(tmp_path: Path, name: str) -> None:
    def loss(quality: int | None) -> float:
        with Image.open(saved(tmp_path / name, record(), quality)) as image:
            return float(np.abs(np.asarray(image, np.float32) - np.asarray(PICTURE, np.float32)).mean())

    assert loss(None) == loss(95) < loss(50) < loss(5)


@pytest.mark.parametrize(
    ("name", "quality", "says"),
    [
        ("x.png", 90, "a PNG file has none"),
        ("x.gif", 90, "a GIF file has none"),
        ("x.jpg", 0, "quality is 0; expected a whole number from 1 to 100"),
        ("x.jpg", 101, "quality is 101"),
        ("x.jpg", 9.5, "quality is 9.5"),
        ("x.psd", None, "does not end as a format"),
    ],
)
def test_a_quality_or_name_that_does_not_fit_is_refused(tmp_path: Path, name: str, quality: int, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        saved(tmp_path / name, record(), quality)
    assert [*tmp_path.iterdir()] == []


def test_several_pictures_are_numbered_and_each_says_its_own(tmp_path: Path) -> None:
    files = save_pictures([PICTURE] * 2, tmp_path / "x.webp", records=[record(seed=1), record(seed=2)])
    assert [file.name for file in files] == ["x-1.webp", "x-2.webp"]
    assert [read_picture_file(file).record for file in files] == [record(seed=1), record(seed=2)]
