"""Reading picture files: the picture, and how it was made."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from latentlink.checks import check_input, path_of
from latentlink.errors import UsageError
from latentlink.runtime.picture_files.formats import known_formats
from latentlink.runtime.picture_files.metadata import texts_of
from latentlink.runtime.picture_files.parameters import Parameters, read_parameters
from latentlink.runtime.picture_files.record import Record
from latentlink.runtime.picture_files.record_reader import read_record
from latentlink.runtime.request import check_pixels

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

MAX_BYTES = 1 << 28
"""Most bytes of a picture's file: Pillow takes whole blocks of metadata into memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFile:
    """What a picture's file says of itself.

    Args:
        path: The file.
        format: Pillow's name of its format.
        size: Width and height in pixels.
        record: How latentlink made it; None if the file does not say so.
        text: The text `parameters`, as this or another program wrote it; None if there is none.
    """

    path: Path
    format: str
    size: tuple[int, int]
    record: Record | None
    text: str | None

    @property
    def parameters(self) -> Parameters | None:
        """The text taken apart; None if there is none, or it has no settings."""
        return None if self.text is None else read_parameters(self.text)


def read_picture(path: Path) -> Image:
    """Read a picture from a file, rotated as its EXIF data say.

    It silences Pillow's warnings, which are those of all threads: for commands, and not for a library.

    Raises:
        UsageError: There is no such file, it is too large, or Pillow cannot read it.
    """
    from PIL import ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own limit of pixels, which is above ours, and of damaged EXIF data
        with _opened(path) as image:
            return ImageOps.exif_transpose(image)


def read_picture_file(path: str | Path) -> PictureFile:
    """Read how a picture was made from its file, without unpacking its pixels. Files by anyone are read safely.

    Raises:
        UsageError: There is no such file, it is too large, Pillow cannot read it, or what it says of itself is damaged.
    """
    file = path_of("path", path)
    with _opened(file) as image:
        record, text = texts_of(image)
        try:
            made = None if record is None else read_record(record)
        except UsageError as error:
            raise UsageError(f"how {str(file)!r} was made cannot be read: {str(error).rstrip('.')}.") from None
        return PictureFile(path=file, format=image.format or "", size=image.size, record=made, text=text)


@contextmanager
def _opened(path: Path) -> Iterator[ImageFile]:
    """A picture's file, open; all that goes wrong in the block is the file's fault."""
    from PIL import Image as Images

    check_input(path, "a picture")
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise UsageError(f"{str(path)!r} has {size} bytes; expected a picture of at most {MAX_BYTES}.")
        with Images.open(path, formats=known_formats()) as image:
            check_pixels(f"{str(path)!r}", image)
            yield image
    except (MemoryError, UsageError):
        raise
    except Exception as error:  # Pillow's formats raise various errors for a broken file, even SyntaxError
        raise UsageError(f"{str(path)!r} is not a picture that Pillow reads ({error}).") from None
