"""Pictures by anyone: whatever their metadata hold, they are read, or refused in one sentence with the right status."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from latentlink.cli import group
from latentlink.errors import ExitStatus, LatentLinkError
from latentlink.runtime.picture_files import read_picture_file, save_pictures
from latentlink.runtime.picture_files.formats import MOST_TEXT
from latentlink.runtime.picture_files.metadata import EXIF_IFD, USER_COMMENT
from tests.runtime.picture_files.samples import AVIF, record

PICTURE = Image.new("RGB", (64, 64), "red")
SETTINGS = "Steps: 4, Sampler: Euler a, CFG scale: 5, Seed: 7, Size: 64x64"


def png(path: Path, **texts: str) -> Path:
    chunks = PngInfo()
    for name, text in texts.items():
        chunks.add_text(name, text)
    PICTURE.save(path, pnginfo=chunks)
    return path


def with_comment(path: Path, comment: bytes) -> Path:
    exif = Image.Exif()
    exif.get_ifd(EXIF_IFD)[USER_COMMENT] = comment
    PICTURE.save(path, exif=exif)
    return path


def with_chunk(path: Path, name: bytes, data: bytes) -> Path:
    """A PNG with one more chunk, whose checksum is right."""
    plain = png(path).read_bytes()
    chunk = struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    path.write_bytes(plain[:33] + chunk + plain[33:])
    return path


def refused(*words: str) -> str:
    """What a command says that ends with status 2."""
    done = CliRunner().invoke(group, [*words])
    assert isinstance(done.exception, LatentLinkError), (done.output, done.exception)
    assert done.exception.status == ExitStatus.USAGE
    assert "\n" not in str(done.exception)
    assert len(str(done.exception)) < 500
    return str(done.exception)


@pytest.mark.parametrize("text", ["{", "[" * 10**5, "NaN", "3", '{"format":1}', "\x1b[2J", "\ufffe"])
def test_a_damaged_record_is_told_by_inspect_and_generate(tmp_path: Path, text: str) -> None:
    file = str(png(tmp_path / "x.png", latentlink=text, parameters=f"a\n{SETTINGS}"))
    says = f"how {file!r} was made cannot be read: "
    assert refused("inspect", file).startswith(says)
    assert refused("generate", "demo", "--like", file, "-o", str(tmp_path / "y.png")).startswith(says)
    assert not (tmp_path / "y.png").exists()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (SETTINGS.replace("4", "1000000000", 1), "--steps is 1000000000; expected a whole number from 1 to 1000"),
        (SETTINGS.replace("4", "9" * 5000, 1), "Steps of '"),
        (SETTINGS.replace("4", "4.5", 1), "is '4.5'; expected a number"),
        (SETTINGS.replace("5,", "nan,"), "--guidance is nan"),
        (SETTINGS.replace("5,", "1e999,"), "--guidance is inf"),
        (SETTINGS.replace("64x64", "99999x64"), "--width is 99999"),
        (SETTINGS.replace("64x64", "65x64"), "--width 65 is not a multiple of 16"),
        (SETTINGS.replace("Euler a", "DPM adaptive"), "Received 'dpm_adaptive', which is not supported"),
        (SETTINGS.replace("Euler a", "x" * 10**5), "expected one of"),
        (SETTINGS.replace("7", str(2**70)), "seed is 1180591620717411303424"),
    ],
)
def test_settings_that_no_run_has_are_refused_as_on_the_command_line(tmp_path: Path, settings: str, says: str) -> None:
    file = str(png(tmp_path / "x.png", parameters=f"a red circle\n{settings}"))
    assert CliRunner().invoke(group, ["inspect", file]).exit_code == 0
    text = refused("generate", "demo", "--like", file, "-o", str(tmp_path / "y.png"))
    assert says in text
    assert not (tmp_path / "y.png").exists()


@pytest.mark.parametrize("prompt", ["x" * 20_001, "a \ud800 b"])
def test_a_prompt_that_is_no_prompt_is_refused(tmp_path: Path, prompt: str) -> None:
    comment = b"UNICODE\0" + f"{prompt}\n{SETTINGS}".encode("utf-16-be", "surrogatepass")
    file = str(with_comment(tmp_path / "x.webp", comment))
    done = CliRunner().invoke(group, ["generate", "demo", "--like", file, "-o", str(tmp_path / "y.png")])
    # Python's decoder has replaced the half of a pair: the picture can be made
    assert (done.exit_code == 0) is (len(prompt) < 100), done.output


def test_control_characters_are_printed_as_escapes(tmp_path: Path) -> None:
    file = png(tmp_path / "x.png", parameters=f"a \x1b[2J\x07 \u202e circle\n{SETTINGS}, Model: \x1b]0;x")
    shown = CliRunner().invoke(group, ["inspect", str(file)]).output
    assert not {"\x1b", "\x07", "\u202e"} & {*shown}
    assert r"a \x1b[2J\x07 \u202e circle" in shown


@pytest.mark.parametrize("key", ["latentlink", "parameters"])
def test_a_text_of_more_than_a_megabyte_is_refused(tmp_path: Path, key: str) -> None:
    file = png(tmp_path / "x.png", **{key: "x" * (MOST_TEXT + 1)})
    assert f"Received {MOST_TEXT + 1} characters" in refused("inspect", str(file))


def test_a_comment_or_xmp_of_more_than_a_megabyte_is_refused(tmp_path: Path) -> None:
    file = with_comment(tmp_path / "x.webp", b"UNICODE\0" + b"x" * (MOST_TEXT + 1))
    assert "Received 1048585 characters" in refused("inspect", str(file))
    PICTURE.save(file, xmp=b"<latentlink:record>" + b"x" * (MOST_TEXT + 1) + b"</latentlink:record>")
    assert f"Received {MOST_TEXT + 1} characters" in refused("inspect", str(file))


def test_a_packed_text_of_a_gigabyte_is_not_unpacked(tmp_path: Path) -> None:
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 24)) for _ in range(64)) + packer.flush()
    file = with_chunk(tmp_path / "x.png", b"zTXt", b"parameters\0\0" + packed)
    assert "Decompressed data too large" in refused("inspect", str(file))


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.webp", *AVIF, "x.tiff"])
def test_a_file_cut_anywhere_is_read_or_refused(tmp_path: Path, name: str) -> None:
    (file,) = save_pictures([PICTURE], tmp_path / name, records=[record()])
    whole = file.read_bytes()
    for length in range(0, len(whole), max(len(whole) // 150, 1)):
        file.write_bytes(whole[:length])
        done = CliRunner().invoke(group, ["inspect", str(file)])
        assert done.exception is None or isinstance(done.exception, LatentLinkError), done.exception


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(st.data())
@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.webp"])
def test_changed_bytes_are_read_or_refused(tmp_path: Path, name: str, data: st.DataObject) -> None:
    (file,) = save_pictures([PICTURE], tmp_path / name, records=[record()])
    changed = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(changed)
    done = CliRunner().invoke(group, ["inspect", str(file), "--json"])
    assert done.exception is None or isinstance(done.exception, LatentLinkError), done.exception


@pytest.mark.parametrize(
    ("comment", "prompt"),
    [
        (b"UNICODE\0" + f"夜 é\n{SETTINGS}".encode("utf-16-be"), "夜 é"),
        (b"UNICODE\0" + f"夜 é\n{SETTINGS}".encode("utf-16-le"), "夜 é"),
        (b"ASCII\0\0\0" + f"a circle\n{SETTINGS}".encode(), "a circle"),
        (bytes(8) + f"夜\n{SETTINGS}".encode(), "夜"),
        (b"JIS\0\0\0\0\0" + f"a circle\n{SETTINGS}".encode(), None),
        (b"UNICODE\0" + f"a\n{SETTINGS}".encode("utf-16-be")[:-1], "a"),
        (b"UNICODE", None),
        (b"", None),
    ],
)
def test_comments_in_exif_are_read_in_the_orders_that_programs_write(
    tmp_path: Path, comment: bytes, prompt: str | None
) -> None:
    for name in ("x.jpg", "x.webp"):
        found = read_picture_file(with_comment(tmp_path / name, comment)).parameters
        assert (found and found.prompt) == prompt


@pytest.mark.parametrize("xmp", [b"<latentlink:record>", b"<latentlink:record>{</latentlink:record>", b"\xff\xfe<"])
def test_xmp_of_others_and_broken_ones(tmp_path: Path, xmp: bytes) -> None:
    PICTURE.save(tmp_path / "x.jpg", xmp=xmp)
    done = CliRunner().invoke(group, ["inspect", str(tmp_path / "x.jpg")])
    if b"{" in xmp:
        assert "it is no JSON" in str(done.exception)
    else:
        assert done.output.endswith("it does not say how it was made\n")


@pytest.mark.parametrize("text", ['{"prompt": "x", "steps": 3}', "no settings", ""])
def test_a_text_that_is_not_that_of_the_web_ui_is_shown_and_makes_nothing(tmp_path: Path, text: str) -> None:
    file = str(png(tmp_path / "x.png", parameters=text))
    shown = CliRunner().invoke(group, ["inspect", file])
    assert shown.output.endswith(f"with a text that has no settings: {text}\n")
    assert "does not say how it was made" in refused("generate", "demo", "--like", file, "-o", str(tmp_path / "y.png"))
