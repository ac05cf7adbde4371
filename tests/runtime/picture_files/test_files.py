"""Pictures as the commands read and write them: turned as their EXIF says, and refused before the work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latentlink.cli.shared.outputs import check_place
from latentlink.errors import UsageError
from latentlink.runtime.picture_files import check_picture, read_picture
from latentlink.runtime.picture_files.reading import MAX_BYTES
from latentlink.runtime.request import as_list

ORIENTATION = 0x0112  # the EXIF tag; 6 says that the camera was held upright


def test_a_picture_is_turned_as_its_camera_was(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    sideways = Image.new("RGB", (4, 2), "black")
    sideways.putpixel((0, 0), (255, 255, 255))
    sideways.save(tmp_path / "a.png", exif=exif)
    upright = read_picture(tmp_path / "a.png")
    assert upright.size == (2, 4)
    assert upright.getpixel((1, 0)) == (255, 255, 255)


def png(tmp_path: Path) -> bytearray:
    path = tmp_path / "a.png"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return bytearray(path.read_bytes())


@pytest.mark.parametrize("broken", ["cut short", "a chunk's name overwritten", "no picture"])
def test_a_broken_picture_is_refused(tmp_path: Path, broken: str) -> None:
    data = png(tmp_path)
    if broken == "cut short":
        data = data[: len(data) // 2]
    elif broken == "no picture":
        data = bytearray(b"text")
    else:
        name = data.index(b"IDAT")
        data[name : name + 4] = b"\0\0\0\0"
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(UsageError, match="not a picture that Pillow reads"):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("side", "what"), [(9400, "has 9400x9400 pixels; expected"), (14_000, "is not a picture that")]
)
def test_a_picture_of_too_many_pixels_is_refused_without_a_warning(
    tmp_path: Path, side: int, what: str, recwarn: pytest.WarningsRecorder
) -> None:
    Image.new("1", (side, side)).save(tmp_path / "a.png")
    recwarn.clear()
    with pytest.raises(UsageError, match=what):
        read_picture(tmp_path / "a.png")
    assert not recwarn.list


def test_a_format_that_another_program_would_read_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.eps")
    with pytest.raises(UsageError, match="is not a picture that Pillow reads"):
        read_picture(tmp_path / "a.eps")


@pytest.mark.parametrize(
    ("mode", "name"), [("CMYK", "a.jpg"), ("P", "a.gif"), ("I;16", "a.png"), ("LA", "a.png"), ("1", "a.bmp")]
)
def test_pictures_of_every_depth_are_read(tmp_path: Path, mode: str, name: str) -> None:
    Image.new(mode, (16, 8)).save(tmp_path / name)
    assert as_list(read_picture(tmp_path / name))[0].convert("RGB").size == (16, 8)


def test_a_file_that_is_too_large_is_not_opened(tmp_path: Path) -> None:
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(UsageError, match=f"has {MAX_BYTES + 1} bytes; expected a picture of at most {MAX_BYTES}"):
        read_picture(tmp_path / "a.png")


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no file '.*nowhere\.png'"):
        read_picture(tmp_path / "nowhere.png")


@pytest.mark.parametrize("name", ["x.png", "x.JPG", "x.webp", "x.tiff", "x.gif"])
def test_endings_of_formats_with_colours_are_taken(tmp_path: Path, name: str) -> None:
    check_picture(tmp_path / name)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("name", ["x", "x.xyz", "x.psd", "x.mpg", "x.xbm", "x.wmf", "x.ico", "x.icns"])
def test_endings_that_fail_only_when_a_picture_is_saved_are_refused_before(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="does not end as a format in which Pillow writes"):
        check_picture(tmp_path / name)


def test_a_file_can_only_be_written_into_a_folder_that_is_there(tmp_path: Path) -> None:
    check_place(tmp_path / "x.safetensors")
    with pytest.raises(UsageError, match="There is no directory"):
        check_place(tmp_path / "nodir" / "x.safetensors")
    with pytest.raises(UsageError, match="is a folder"):
        check_place(tmp_path)
