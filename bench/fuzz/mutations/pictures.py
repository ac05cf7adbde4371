"""Mutations of picture files."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path
from random import Random

from PIL import Image

from latentlink.bench.fuzz.mutations.mutation import Mutation, short

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "ICO", "TGA", "PCX", "SGI")
MODES = ("RGB", "RGB", "RGBA", "L", "LA", "P", "1", "I;16", "CMYK", "F", "I", "YCbCr", "HSV")
SIDES = ((64, 64), (64, 64), (64, 64), (1, 1), (1, 2000), (2000, 1), (65, 63), (640, 480))

OTHERS = (
    b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.4", b"\x89PNG\r\n\x1a\n", b"II*\x00\xff\xff\xff\xff",
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9999 9999\n", b"P6 99999 99999 255\n", b"BM" + b"\xff" * 60,
)  # fmt: skip
"""Beginnings of files that are no whole picture."""


def mutate_picture(rng: Random, case: Path) -> Mutation:
    """Write a picture in some format and mode, and damage it; `picture` is its name, whatever the format."""
    path = case / "picture"
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    kind, mode, side = rng.choice(FORMATS), rng.choice(MODES), rng.choice(SIDES)
    data = BytesIO()
    try:
        resized = picture.resize(side).convert("L" if mode == "I;16" else "RGB")
        resized.convert(mode).save(data, format=kind)
    except (OSError, ValueError, KeyError):
        kind, mode = "PNG", "RGB"
        data = BytesIO()
        picture.save(data, format="PNG")
    how = rng.choice(["none", "bytes", "bytes", "bytes", "png", "png", "large", "animation", "text"])
    if how == "bytes":
        new, name = _change_bytes(rng, data.getvalue())
    elif how == "png":
        new, name = _change_chunk(rng, picture)
    elif how == "large":
        new, name = _large(rng)
    elif how == "animation":
        frames = BytesIO()
        picture.save(frames, "GIF", save_all=True, append_images=[picture.rotate(90)] * 200)
        new, name = frames.getvalue(), "200 frames"
    elif how == "text":
        new = rng.choice(OTHERS)
        name = f"no picture: {short(new, 20)}"
    else:
        new, name = data.getvalue(), "whole"
    path.write_bytes(new)
    return Mutation(what=f"{kind} {mode}: {name.partition(' at ')[0]}", detail=f"{side[0]}x{side[1]}, {name}")


def _change_bytes(rng: Random, data: bytes) -> tuple[bytes, str]:
    at = rng.randrange(len(data))
    name, new = rng.choice(
        [
            ("cut off", data[:at]),
            ("a byte", data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]),
            ("a byte of the head", data[: at % 64] + bytes([rng.randrange(256)]) + data[at % 64 + 1 :]),
            ("bytes", data[:at] + rng.randbytes(16) + data[at + 16 :]),
            ("a large number", data[: at % 64] + b"\xff\xff\xff\x7f" + data[at % 64 + 4 :]),
            ("bytes removed", data[:at] + data[at + 8 :]),
        ]
    )
    return new, f"{name} at {at}"


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _change_chunk(rng: Random, picture: Image.Image) -> tuple[bytes, str]:
    """A PNG with a changed or added chunk, its checksum right."""
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    data = buffer.getvalue()
    head = bytearray(data[16:29])
    how = rng.choice(["size", "depth", "colours", "text", "palette", "profile", "exif", "interlace", "twice"])
    more = b""
    if how == "size":
        head[:8] = struct.pack(
            ">II", *rng.choice([(0, 64), (64, 65), (20_000, 20_000), (2**31 - 1, 1), (2**31, 2**31)])
        )
    elif how == "depth":
        head[8] = rng.choice([0, 1, 2, 4, 16, 255])
    elif how == "colours":
        head[9] = rng.choice([0, 1, 3, 4, 6, 255])
    elif how == "interlace":
        head[12] = rng.choice([1, 2, 255])
    elif how == "text":
        more = _chunk(b"zTXt", b"Comment\x00\x00" + zlib.compress(bytes(1 << rng.choice([10, 20, 27]))))
    elif how == "palette":
        more = _chunk(b"PLTE", bytes(rng.choice([0, 3, 4, 3000])))
    elif how == "profile":
        more = _chunk(b"iCCP", b"p\x00\x00" + zlib.compress(rng.randbytes(200)))
    elif how == "exif":
        orientation = rng.choice([b"\x00\x06", b"\xff\xff", b"\x00\x00"])
        more = _chunk(
            b"eXIf", b"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01" + orientation + bytes(6)
        )
        if rng.random() < 0.5:
            more = _chunk(b"eXIf", rng.randbytes(40))
    else:
        more = _chunk(b"IHDR", bytes(head))
    return data[:8] + _chunk(b"IHDR", bytes(head)) + more + data[33:], f"PNG {how}"


def _large(rng: Random) -> tuple[bytes, str]:
    """A picture of few bytes and many points."""
    width, height = rng.choice(
        [(9400, 9400), (4096, 4096), (60_000, 64), (64, 60_000), (13_000, 13_000), (30_000, 30_000)]
    )
    rows, row = zlib.compressobj(1), bytes(1 + (width + 7) // 8)
    body = b"".join(rows.compress(row) for _ in range(height)) + rows.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", body) + _chunk(
        b"IEND", b""
    ), f"{width}x{height}"
