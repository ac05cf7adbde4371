"""PNG files made chunk by chunk: of every kind of pixels, and damaged in every way."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

MAGIC = b"\x89PNG\r\n\x1a\n"

WIDTH, HEIGHT = 13, 9

KINDS: Mapping[str, tuple[int, int]] = {
    **{f"grey of {depth} bits": (depth, 0) for depth in (1, 2, 4, 8, 16)},
    **{f"RGB of {depth} bits": (depth, 2) for depth in (8, 16)},
    **{f"palette of {depth} bits": (depth, 3) for depth in (1, 2, 4, 8)},
    **{f"grey with alpha of {depth} bits": (depth, 4) for depth in (8, 16)},
    **{f"RGB with alpha of {depth} bits": (depth, 6) for depth in (8, 16)},
}
"""By name: bits of a sample, and the kind of colour."""

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}

PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Adam7: first column and row of each pass, and its steps."""

Chunk = tuple[bytes, bytes]


def noise(count: int, seed: int) -> bytes:
    """The same bytes on every machine."""
    return bytes(np.random.Generator(np.random.PCG64(seed)).integers(0, 256, count, np.uint8))


def chunk(name: bytes, data: bytes, *, checksum: int = 0) -> bytes:
    """A chunk; `checksum` is what its checksum is wrong by."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data) ^ checksum)


def head(depth: int, colour: int, *, size: tuple[int, int] = (WIDTH, HEIGHT), interlaced: bool = False) -> Chunk:
    """The chunk IHDR."""
    return b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, interlaced)


def rows(depth: int, colour: int, *, interlaced: bool = False, filters: Sequence[int] = (0, 1, 2, 3, 4)) -> bytes:
    """Rows of noise, each after the number of its filter: what they unpack to is what any reader makes of it."""
    bits, made, seed = depth * CHANNELS[colour], b"", depth + 100 * colour
    for column, row, across, down in PASSES if interlaced else ((0, 0, 1, 1),):
        width = -(-(WIDTH - column) // across)
        if width > 0:
            for _ in range(row, HEIGHT, down):
                seed += 1000
                made += bytes([filters[seed // 1000 % len(filters)]]) + noise((width * bits + 7) // 8, seed)
    return made


def png(chunks: Sequence[Chunk], *, behind: bytes = b"") -> bytes:
    """A file of these chunks, with the last one."""
    return MAGIC + b"".join(chunk(*one) for one in chunks) + chunk(b"IEND", b"") + behind


def pixels(depth: int = 8, colour: int = 2, *, interlaced: bool = False) -> Chunk:
    """The chunk IDAT."""
    return b"IDAT", zlib.compress(rows(depth, colour, interlaced=interlaced))


PALETTE: Chunk = (b"PLTE", noise(3 * 11, 5))
"""Eleven colours, fewer than samples of 4 and 8 bits can name."""

HEAD, PIXELS = head(8, 2), pixels()


def exif(orientation: int, order: str = ">", *, kind: int = 3, count: int = 1) -> bytes:
    """EXIF data that turn a picture. `kind` is TIFF's type of the number: 3 has 16 bits, 4 has 32."""
    field = struct.pack(order + {3: "H", 4: "I"}[kind], orientation)
    mark = b"MM\0*" if order == ">" else b"II*\0"
    return mark + struct.pack(order + "IHHHI", 8, 1, 0x0112, kind, count) + field.ljust(4, b"\0") + bytes(4)


def good_files() -> dict[str, bytes]:
    """By name: files of every kind of pixels, and such that are put together in unusual ways."""
    made = {}
    for name, (depth, colour) in KINDS.items():
        palette = [PALETTE if depth > 2 else (b"PLTE", PALETTE[1][: 3 << depth])] if colour == 3 else []
        for interlaced in (False, True):
            chunks = [
                head(depth, colour, interlaced=interlaced),
                *palette,
                pixels(depth, colour, interlaced=interlaced),
            ]
            made[name + (", interlaced" if interlaced else "")] = png(chunks)
    grey, packed = pixels(8, 0), PIXELS[1]
    rotated = b"\n".join([b"", b"exif", b"    26", exif(6).hex().encode()])
    xmp = b"XML:com.adobe.xmp\0\0\0\0\0" + b'<x tiff:Orientation="8" tiff:Orientation="3"/>'
    return made | {
        "palette that is missing": png([head(8, 3), pixels(8, 3)]),
        "palette that ends within a colour": png([head(8, 3), (b"PLTE", noise(10, 1)), pixels(8, 3)]),
        "palette with transparency": png([head(4, 3), PALETTE, (b"tRNS", noise(4, 2)), pixels(4, 3)]),
        "palette with one clear colour": png([head(4, 3), PALETTE, (b"tRNS", b"\xff\0"), pixels(4, 3)]),
        "grey with a clear value": png([head(8, 0), (b"tRNS", b"\0\x10"), grey]),
        "RGB with a clear colour": png([HEAD, (b"tRNS", bytes(6)), PIXELS]),
        "RGB with a palette": png([HEAD, PALETTE, PIXELS]),
        "pixels in three chunks": png(
            [HEAD, *((b"IDAT", packed[at : at + 150]) for at in (0, 150, 300)), (b"IDAT", b"")]
        ),
        "pixels with a wrong checksum": MAGIC + chunk(*HEAD) + chunk(*PIXELS, checksum=1) + chunk(b"IEND", b""),
        "no end": png([HEAD, PIXELS])[:-12],
        "more behind the end": png([HEAD, PIXELS], behind=b"anything"),
        "more rows than it has": png([HEAD, (b"IDAT", zlib.compress(rows(8, 2) + bytes(80)))]),
        "unknown chunks": png([HEAD, (b"abCd", b"1"), (b"ZZZZ", b""), PIXELS, (b"a_0B", b"")]),
        "two heads": png([head(8, 0, size=(3, 3)), HEAD, PIXELS]),
        "gamma and profile": png(
            [HEAD, (b"gAMA", bytes(4)), (b"iCCP", b"x\0\0" + zlib.compress(b"no profile")), PIXELS]
        ),
        "a profile that is damaged": png([HEAD, (b"iCCP", b"x\0\0abc"), PIXELS]),
        "an animation": png([HEAD, (b"acTL", struct.pack(">II", 2, 0)), PIXELS, *_frame(0), *_frame(2)]),
        "an animation that begins with the picture": png(
            [HEAD, (b"acTL", struct.pack(">II", 2, 0)), _frame(0)[0], PIXELS, *_frame(1)]
        ),
        **{f"turned {one}": png([HEAD, (b"eXIf", exif(one, "<" if one % 2 else ">")), PIXELS]) for one in range(10)},
        "turned by 32 bits": png([HEAD, (b"eXIf", exif(6, kind=4)), PIXELS]),
        "turned behind the pixels": png([HEAD, PIXELS, (b"eXIf", exif(8))]),
        "turned by XMP": png([HEAD, (b"iTXt", xmp), PIXELS]),
        "turned by EXIF and not by XMP": png([HEAD, (b"iTXt", xmp), (b"eXIf", exif(1)), PIXELS]),
        "turned by an old text": png([HEAD, (b"tEXt", b"Raw profile type exif\0" + rotated), PIXELS]),
        "turned by a text named exif": png([HEAD, (b"tEXt", b"exif\0Exif\0\0" + exif(3)), PIXELS]),
        "EXIF without its fields": png([HEAD, (b"eXIf", exif(6)[:12]), PIXELS]),
        "EXIF with too many values": png([HEAD, (b"eXIf", exif(6, count=2**31)), PIXELS]),
        "EXIF that is empty": png([HEAD, (b"eXIf", b""), PIXELS]),
    }


def _frame(number: int) -> list[Chunk]:
    control = struct.pack(">IIIIIHHBB", number, WIDTH, HEIGHT, 0, 0, 1, 1, 0, 0)
    return [(b"fcTL", control), (b"fdAT", struct.pack(">I", number + 1) + PIXELS[1])]


def texts() -> dict[str, bytes]:
    """By name: files with texts, in each way that PNG has for them, and damaged ones."""
    settings = "Steps: 4, Sampler: Euler a, CFG scale: 5"
    latin, wide = f"caf\xe9\n{settings}", f"夜 🌫\n{settings}"
    return {
        name: png([HEAD, *chunks, PIXELS])
        for name, chunks in {
            "plain": [(b"tEXt", b"parameters\0" + latin.encode("latin-1"))],
            "packed": [(b"zTXt", b"parameters\0\0" + zlib.compress(latin.encode("latin-1")))],
            "international": [(b"iTXt", b"parameters\0\0\0de\0x\0" + wide.encode())],
            "international and packed": [(b"iTXt", b"parameters\0\1\0\0\0" + zlib.compress(wide.encode()))],
            "packed in an unknown way": [(b"iTXt", b"parameters\0\1\1\0\0" + wide.encode())],
            "no UTF-8": [(b"iTXt", b"parameters\0\0\0\0\0\xff\xfe")],
            "a damaged packed one": [(b"zTXt", b"parameters\0\0abc"), (b"iTXt", b"latentlink\0\1\0\0\0abc")],
            "no keyword": [(b"tEXt", b"\0parameters"), (b"tEXt", b""), (b"iTXt", b"parameters")],
            "the last of several": [(b"tEXt", b"parameters\0first"), (b"tEXt", b"parameters\0second")],
            "a keyword alone": [(b"tEXt", b"parameters"), (b"zTXt", b"latentlink")],
            "cut short": [(b"zTXt", b"parameters\0\0" + zlib.compress(latin.encode("latin-1"))[:-9])],
            "a comment in EXIF": [(b"eXIf", comment(b"UNICODE\0" + wide.encode("utf-16-be")))],
            "a comment, low byte first": [(b"eXIf", comment(b"UNICODE\0" + wide.encode("utf-16-le"), "<"))],
            "a comment that ends within a character": [(b"eXIf", comment(b"UNICODE\0" + wide.encode("utf-16-be")[:5]))],
            "a comment with half a pair": [(b"eXIf", comment(b"UNICODE\0\0a\xd8\0\0b\xdc\0\0c\xd8"))],
            "a comment in ASCII": [(b"eXIf", comment(b"ASCII\0\0\0a \xff\xe2\x82 b\0\0"))],
            "a comment without a code": [(b"eXIf", comment(bytes(8) + "夜".encode()))],
            "a comment in JIS": [(b"eXIf", comment(b"JIS\0\0\0\0\0abc"))],
            "a short comment": [(b"eXIf", comment(b"UNICO"))],
            "a comment of text": [(b"eXIf", comment(b"UNICODE\0\0a", kind=2))],
        }.items()
    }


def comment(text: bytes, order: str = ">", *, kind: int = 7) -> bytes:
    """EXIF data with a comment."""
    mark = b"MM\0*" if order == ">" else b"II*\0"
    first = struct.pack(order + "IHHHIII", 8, 1, 0x8769, 4, 1, 26, 0)
    value = struct.pack(order + "I", 44) if len(text) > 4 else text.ljust(4, b"\0")
    return mark + first + struct.pack(order + "HHHI", 1, 0x9286, kind, len(text)) + value + bytes(4) + text


def bad_files() -> dict[str, bytes]:
    """By name: files that are refused."""
    plain, bomb = png([HEAD, PIXELS]), zlib.compress(bytes((1 << 20) + 1), 9)
    made = {f"cut after {length} bytes": plain[:length] for length in (8, 20, 33, 40, 45, 200, len(plain) - 40)}
    short = {
        b"tRNS": 5, b"gAMA": 3, b"cHRM": 31, b"sRGB": 0, b"pHYs": 8, b"acTL": 7, b"fcTL": 25, b"iCCP": 0, b"IHDR": 12,
    }  # fmt: skip
    made |= {f"{name.decode()} too short": png([HEAD, (name, bytes(size)), PIXELS]) for name, size in short.items()}
    made |= {
        f"{depth} bits of colour {colour}": png([head(depth, colour), pixels(8, 2)])
        for depth, colour in ((3, 0), (4, 2), (16, 3), (2, 4), (8, 1), (8, 7), (0, 0))
    }
    return made | {
        "no width": png([head(8, 2, size=(0, 9)), PIXELS]),
        "too many pixels": png([head(1, 0, size=(9400, 9400)), PIXELS]),
        "far too many pixels": png([head(8, 2, size=(2**31 - 1, 2**31 - 1)), PIXELS]),
        "a wrong checksum": MAGIC + chunk(*HEAD) + chunk(b"tEXt", b"a\0b", checksum=1) + chunk(*PIXELS),
        "no pixels": png([HEAD]),
        "no head": png([PIXELS]),
        "an unknown filter": png([HEAD, (b"IDAT", zlib.compress(rows(8, 2, filters=[5])))]),
        "filtered in an unknown way": png([(b"IHDR", HEAD[1][:11] + b"\1\0"), PIXELS]),
        "too few rows": png([HEAD, (b"IDAT", zlib.compress(rows(8, 2)[:-3]))]),
        "pixels that are not packed": png([HEAD, (b"IDAT", rows(8, 2))]),
        "pixels with a wrong sum": png([HEAD, (b"IDAT", PIXELS[1][:-4] + bytes(4))]),
        "a palette of 300 colours": png([head(8, 3), (b"PLTE", noise(900, 3)), pixels(8, 3)]),
        "a text of a megabyte": png([HEAD, (b"zTXt", b"a\0\0" + bomb), PIXELS]),
        "an international text of a megabyte": png([HEAD, (b"iTXt", b"a\0\1\0\0\0" + bomb), PIXELS]),
        "a profile of a megabyte": png([HEAD, (b"iCCP", b"a\0\0" + bomb), PIXELS]),
        "a text in an unknown way": png([HEAD, (b"zTXt", b"a\0\1abc"), PIXELS]),
        "a profile in an unknown way": png([HEAD, (b"iCCP", b"a\0\1abc"), PIXELS]),
        "EXIF that is none": png([HEAD, (b"eXIf", b"something else"), PIXELS]),
        "an old text that is no EXIF": png([HEAD, (b"tEXt", b"Raw profile type exif\0\n\n\nxyz"), PIXELS]),
        "a chunk behind the pixels that is cut short": png([HEAD, PIXELS])[:-12] + chunk(b"tEXt", bytes(100))[:50],
        "a frame before its turn": png([HEAD, (b"acTL", struct.pack(">II", 2, 0)), _frame(1)[0], PIXELS]),
        "a frame larger than the picture": png([head(8, 2, size=(5, 5)), _frame(0)[0], PIXELS]),
        "no name of a chunk": MAGIC + chunk(*HEAD) + chunk(b"a-b!", b"") + chunk(*PIXELS),
        "not a picture": b"once upon a time",
        "nothing": b"",
        "a magic number alone": MAGIC,
    }
