"""Pictures as files: what the commands read, and where they write."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from latentlink.errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image


def opened(path: Path) -> Image:
    """A picture from a file, read whole, turned the way that its EXIF data say.

    Raises:
        UsageError: There is no file, or none that Pillow reads.
    """
    from PIL import Image as Images
    from PIL import ImageOps

    try:
        with Images.open(path) as image:
            return ImageOps.exif_transpose(image)
    except FileNotFoundError:
        raise UsageError(f"There is no file {str(path)!r}.") from None
    except MemoryError:
        raise
    except Exception as error:  # each of Pillow's formats has its own for a broken file, SyntaxError among them
        raise UsageError(f"{str(path)!r} is not a picture that Pillow reads ({error}).") from None


def check_picture(output: Path) -> None:
    """Say what is wrong with a picture's name before the work, not after it.

    Raises:
        UsageError: Its ending is not that of a format for colours which this Pillow writes, or see `check_place`.
    """
    from PIL import Image

    Image.init()
    try:
        # Some formats are only read, some have no colours, and some lack their library: a small one shows it.
        Image.new("RGB", (8, 8)).save(BytesIO(), format=_format(output))
    except Exception:
        raise UsageError(
            f"{str(output)!r} has no ending that Pillow writes colours with; expected .png, .jpg or .webp, say."
        ) from None
    check_place(output)


def check_place(output: Path) -> None:
    """Say before the work that a file cannot be written there.

    Raises:
        UsageError: Its folder is missing, or it is a folder itself.
    """
    if not output.parent.is_dir():
        raise UsageError(f"There is no directory {str(output.parent)!r} to write {output.name} to.")
    if output.is_dir():
        raise UsageError(f"{str(output)!r} is a folder; expected the name of a file to write.")


def save(images: Sequence[Image], output: Path) -> list[Path]:
    """Write pictures, each whole or not at all: OUT.png, or OUT-1.png, OUT-2.png where there are several."""
    from latentlink.files import atomic_file

    many = len(images) > 1
    names = [output.with_stem(f"{output.stem}-{number}") if many else output for number in range(1, len(images) + 1)]
    for name, image in zip(names, images, strict=True):
        with atomic_file(name) as part, part.open("wb") as file:
            image.save(file, format=_format(name))
    return names


def _format(path: Path) -> str:
    from PIL import Image

    return Image.EXTENSION[path.suffix.lower()]
