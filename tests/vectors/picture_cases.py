"""Picture files and sizes, and what the Python runtime makes of them: `pictures.json`.

Files stand there as base64, since encoders write other bytes from version to version. Pixels are told by their SHA-256.
"""

from __future__ import annotations

import struct
import warnings
from base64 import b64decode, b64encode
from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latentlink.errors import UsageError
from latentlink.runtime.picture_files import read_picture, read_picture_file
from latentlink.runtime.picture_files.metadata import arguments_for
from latentlink.runtime.request import as_list, mask_pixels, pixels
from tests.vectors.png_files import bad_files, exif, good_files, noise, texts

SIZES = (
    ((1, 1), (5, 3)),
    ((5, 3), (1, 1)),
    ((7, 7), (7, 14)),
    ((7, 7), (14, 7)),
    ((16, 16), (16, 16)),
    ((64, 48), (32, 24)),
    ((64, 48), (63, 47)),
    ((33, 65), (128, 16)),
    ((100, 1), (13, 8)),
    ((1, 100), (8, 13)),
    ((200, 150), (64, 64)),
    ((3, 3), (96, 96)),
    ((101, 77), (64, 96)),
    ((257, 129), (17, 9)),
    ((48, 48), (512, 8)),
    ((640, 4), (3, 4)),
)
"""Width and height before and after."""

SOFT = Image.new("RGB", (37, 29))
"""A picture that JPEG keeps: soft colours, and an edge."""
SOFT.putdata([(x * 6, y * 8, (x * y) % 256) if x < 25 else (255, y * 4, 20) for y in range(29) for x in range(37)])


def drawn(width: int, height: int, channels: int) -> NDArray[np.uint8]:
    """A picture of noise that both runtimes draw: bits 13 to 20 of multiples of a large prime."""
    numbers = np.arange(width * height * channels, dtype=np.uint64) * np.uint64(2654435761)
    made = (numbers >> np.uint64(13)).astype(np.uint8)
    return made.reshape((height, width, channels) if channels > 1 else (height, width))


def resized() -> list[dict[str, Any]]:
    """By sizes: the SHA-256 of a picture in colour, a grey one, and a mask of each."""
    made = []
    for before, (width, height) in SIZES:
        colour, grey = (Image.fromarray(drawn(*before, channels)) for channels in (3, 1))
        arrays = [pixels([one], width, height) for one in (colour, grey)]
        arrays += [mask_pixels([one], width, height).astype(np.uint8) for one in (colour, grey)]
        made.append({"before": before, "after": [width, height], "sha256": [_sha256(one) for one in arrays]})
    return made


def files() -> Iterator[tuple[str, bytes]]:
    """Names of files, and the files."""
    for kind, listed in (("", good_files()), ("text: ", texts()), ("refused: ", bad_files())):
        yield from ((f"PNG, {kind}{name}", data) for name, data in listed.items())
    yield from _jpeg_files()


def _jpeg_files() -> Iterator[tuple[str, bytes]]:
    plain = _jpeg(SOFT)
    yield "JPEG, 4:2:0", plain
    yield "JPEG, 4:2:2", _jpeg(SOFT, subsampling=1)
    yield "JPEG, 4:4:4", _jpeg(SOFT, subsampling=0, quality=95)
    yield "JPEG, grey", _jpeg(SOFT.convert("L"))
    yield "JPEG, CMYK", _jpeg(SOFT.convert("CMYK"))
    yield "JPEG, RGB", _jpeg(SOFT, keep_rgb=True)
    yield "JPEG, progressive", _jpeg(SOFT, progressive=True)
    yield "JPEG, restarts", _jpeg(SOFT, restart_marker_blocks=1)
    yield "JPEG, one pixel", _jpeg(SOFT.crop((3, 3, 4, 4)))
    yield "JPEG, noise", _jpeg(Image.frombytes("RGB", (16, 17), noise(16 * 17 * 3, 8)), quality=30)
    for turned in (3, 6, 8):
        yield f"JPEG, turned {turned}", _jpeg(SOFT, exif=b"Exif\0\0" + exif(turned))
    parts = b"Exif\0\0" + exif(6)
    yield "JPEG, EXIF in two segments", _with_segments(plain, (0xE1, parts[:20]), (0xE1, b"Exif\0\0" + parts[20:]))
    yield "JPEG, XMP that turns", _jpeg(SOFT, xmp=b"<tiff:Orientation>6</tiff:Orientation>")
    yield "JPEG, damaged EXIF", _with_segments(plain, (0xE1, b"Exif\0\0something else"))
    density = _jpeg(SOFT, dpi=(72, 72))
    yield "JPEG, damaged EXIF beside a resolution", _with_segments(density, (0xE1, b"Exif\0\0something else"))
    record, left_out = arguments_for("JPEG", record='{"format":2}', text="a circle\nSteps: 4, Seed: 7, Size: 37x29")
    assert not left_out
    yield "JPEG, record of another format", _jpeg(SOFT, **record)
    yield "JPEG, text", _jpeg(SOFT, exif=record["exif"])
    several = BytesIO()
    SOFT.save(several, "MPO", save_all=True, append_images=[SOFT.crop((0, 0, 8, 8))])
    yield "JPEG, several pictures", several.getvalue()
    yield "JPEG, bytes between segments", plain[:2] + b"\xff\xff\xff" + plain[3:20] + b"junk\xff\0" + plain[20:]
    yield "JPEG, no end", plain[:-2]
    yield "JPEG, more behind the end", plain + b"anything"
    yield "JPEG, a changed byte of pixels", plain[:-60] + b"\x55" + plain[-59:]
    for length in (3, 10, 100, 300, len(plain) - 100, len(plain) - 30):
        yield f"JPEG, cut after {length} bytes", plain[:length]
    frame = plain.index(b"\xff\xc0")
    for name, at, value in (("12 bits", 4, 12), ("two layers", 9, 2), ("five layers", 9, 5)):
        yield f"JPEG, {name}", plain[: frame + at] + bytes([value]) + plain[frame + at + 1 :]
    for name, size in (("no height", (0, 37)), ("too many pixels", (9000, 9000)), ("more rows than it has", (64, 37))):
        yield f"JPEG, {name}", plain[: frame + 5] + struct.pack(">HH", *size) + plain[frame + 9 :]
    tables = plain.index(b"\xff\xc4")
    yield "JPEG, damaged tables", plain[: tables + 5] + b"\xff" * 16 + plain[tables + 21 :]
    yield "JPEG, an unknown marker", plain[:2] + b"\xff\x42" + plain[2:]
    yield "JPEG, a short segment of JFIF", _with_segments(plain, (0xE0, b"JFIF\0"))
    yield "JPEG, no pixels", plain[: plain.index(b"\xff\xda")]


def _jpeg(picture: Image.Image, **options: Any) -> bytes:
    file = BytesIO()
    picture.save(file, "JPEG", **options)
    return file.getvalue()


def _with_segments(plain: bytes, *segments: tuple[int, bytes]) -> bytes:
    """A file with more segments at its beginning."""
    more = b"".join(bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data for marker, data in segments)
    return plain[:2] + more + plain[2:]


def read(data: bytes) -> dict[str, Any]:
    """What the Python runtime makes of a file: its pixels, and what it says; null for what is refused."""
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder, "picture")
        path.write_bytes(data)
        return {"picture": _tried(_pixels, path), "says": _tried(_says, path)}


def _tried(ask: Any, path: Path) -> Any:
    try:
        return ask(path)
    except UsageError as error:
        # the sentence is the same in both runtimes where it is not Pillow's
        return None if "that Pillow" in error.message else error.message.replace(str(path), "FILE")


def _pixels(path: Path) -> dict[str, Any]:
    (image,) = as_list(read_picture(path))
    arrays = np.asarray(image.convert("RGB")), np.asarray(image.convert("L"))
    return {"size": image.size, "sha256": [_sha256(one) for one in arrays]}


def _says(path: Path) -> dict[str, Any]:
    file = read_picture_file(path)
    return {"format": file.format, "size": file.size, "text": file.text}


def _sha256(array: NDArray[np.uint8]) -> str:
    return sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def pictures() -> dict[str, Any]:
    """What is written into `pictures.json`."""
    read_files = [{"name": name, "file": b64encode(data).decode(), **read(data)} for name, data in files()]
    return {"resized": resized(), "files": read_files}


def read_again(case: dict[str, Any]) -> dict[str, Any]:
    """A case of `pictures.json` as it is read today."""
    return {"name": case["name"], "file": case["file"], **read(b64decode(case["file"]))}
