"""Pictures and masks as the engines read them: their depth, their transparency, their size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from latentlink.errors import UsageError
from latentlink.runtime import Pipeline
from latentlink.runtime.picture_files import read_picture
from latentlink.runtime.request import as_list, mask_pixels, pixels

GREY = np.arange(256, dtype=np.uint8).reshape(16, 16)


def test_a_picture_of_16_bits_is_the_same_in_8() -> None:
    deep = Image.fromarray(GREY.astype(np.uint16) * 257)
    assert deep.mode == "I;16"
    shallow = pixels([Image.fromarray(GREY)], 16, 16)
    assert np.array_equal(pixels(as_list(deep), 16, 16), shallow)


def test_a_mask_of_16_bits_is_cut_at_half_of_white() -> None:
    deep = Image.fromarray(GREY.astype(np.uint16) * 257)
    assert np.array_equal(mask_pixels(as_list(deep), 16, 16)[0, 0], GREY >= 128)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_a_picture_whose_white_is_unknown_is_refused(mode: str) -> None:
    with pytest.raises(UsageError, match=f"mode '{mode}', in which any number may be white"):
        as_list([Image.new("RGB", (8, 8)), Image.new(mode, (8, 8))])


@pytest.mark.parametrize("mode", ["LAB", "La"])
def test_a_picture_that_has_no_grey_is_refused_here_and_not_by_pillow(mode: str) -> None:
    with pytest.raises(UsageError, match=f"mode '{mode}', which Pillow does not convert"):
        as_list(Image.new(mode, (8, 8)))


def test_every_16_bit_value_is_rounded_to_its_nearest_8_bit_one() -> None:
    deep = np.arange(1 << 16, dtype=np.uint16).reshape(256, 256)
    (shallow,) = as_list(Image.fromarray(deep))
    assert np.array_equal(np.asarray(shallow), np.round(deep / 257).astype(np.uint8))


def test_a_picture_that_is_too_large_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    Image.new("1", (9400, 9400)).save(tmp_path / "large.png")
    with Image.open(tmp_path / "large.png") as large:
        with pytest.raises(UsageError, match="The picture has 9400x9400 pixels; expected at most 67108864"):
            as_list(large)
        assert large.tile  # what is still to be unpacked


def test_a_file_that_is_cut_short_is_refused_where_it_is_unpacked(tmp_path: Path) -> None:
    Image.effect_noise((64, 64), 50).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:500])
    with Image.open(tmp_path / "cut.png") as cut, pytest.raises(UsageError, match="that Pillow does not read"):
        as_list(cut)


def test_transparency_is_dropped_from_pictures_and_masks() -> None:
    clear_red = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert (pixels(as_list(clear_red), 8, 8) == (255, 0, 0)).all()
    assert (mask_pixels(as_list(Image.new("RGBA", (8, 8), (255, 255, 255, 0))), 8, 8) == 1).all()


@pytest.mark.parametrize(("given", "found"), [(5, "int"), ([], "no picture"), ([Image.new("L", (8, 8)), None], "None")])
def test_what_is_no_picture_is_named(given: object, found: str) -> None:
    with pytest.raises(UsageError, match=f"Received {found}"):
        as_list(given)  # type: ignore[arg-type]


# By orientation: what brings an upright picture to how it is stored (Exif 2.32, tag 0x0112).
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def upright() -> Image.Image:
    """Four colours, one in each corner, twice as wide as high."""
    picture = Image.new("RGB", (128, 64), "red")
    for colour, place in (("green", (64, 0)), ("blue", (0, 32)), ("white", (64, 32))):
        picture.paste(colour, (*place, place[0] + 64, place[1] + 32))
    return picture


def as_a_camera_stores_it(folder: Path, picture: Image.Image, orientation: int) -> Path:
    """A file of the picture turned, with EXIF data that say so."""
    method, exif = STORED[orientation], Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    folder.mkdir(exist_ok=True)
    path = folder / f"{orientation}.png"
    (picture if method is None else picture.transpose(method)).save(path, exif=exif)
    return path


@pytest.mark.parametrize("orientation", STORED)
def test_a_picture_is_turned_once_as_its_exif_data_say(orientation: int, tmp_path: Path) -> None:
    path = as_a_camera_stores_it(tmp_path, upright(), orientation)
    with Image.open(path) as photograph:
        (turned,) = as_list(photograph)
        assert photograph.size == ((64, 128) if orientation > 4 else (128, 64)), "the user's own picture was turned"
    for picture in (turned, *as_list(turned), *as_list(read_picture(path))):
        assert np.array_equal(pixels([picture], 128, 64)[0], np.asarray(upright()))


@pytest.mark.parametrize("orientation", STORED)
def test_all_that_takes_a_picture_turns_it(orientation: int, tmp_path: Path, demo: Pipeline) -> None:
    picture, mask = upright(), Image.new("L", (128, 64))
    mask.paste(255, (0, 0, 64, 32))
    wanted = demo.generate("a red circle", init_image=picture, mask_image=mask, seed=1, steps=2, guard="off")
    with (
        Image.open(as_a_camera_stores_it(tmp_path, picture, orientation)) as photograph,
        Image.open(as_a_camera_stores_it(tmp_path / "mask", mask, orientation)) as mask_file,
    ):
        assert np.array_equal(demo.encode(photograph).array, demo.encode(picture).array)
        made = demo.generate("a red circle", init_image=photograph, mask_image=mask_file, seed=1, steps=2, guard="off")
    assert np.array_equal(made.latents.array, wanted.latents.array)
