"""Picture files: reading and writing them, and what they say of how each picture was made (docs/pictures.md)."""

from __future__ import annotations

from latentlink.runtime.picture_files.formats import QUALITY, check_picture
from latentlink.runtime.picture_files.reading import PictureFile, read_picture, read_picture_file
from latentlink.runtime.picture_files.record import Origin, Record, record_of
from latentlink.runtime.picture_files.remaking import (
    differences,
    left_out_levels,
    options_of,
    overridden,
    picture_options,
)
from latentlink.runtime.picture_files.started_from import hashes_of
from latentlink.runtime.picture_files.writing import picture_bytes, save_pictures

__all__ = [
    # files
    "PictureFile",
    "QUALITY",
    "check_picture",
    "picture_bytes",
    "read_picture",
    "read_picture_file",
    "save_pictures",
    # how a picture was made
    "Origin",
    "Record",
    "hashes_of",
    "record_of",
    # making it again
    "differences",
    "left_out_levels",
    "options_of",
    "overridden",
    "picture_options",
]  # fmt: skip
