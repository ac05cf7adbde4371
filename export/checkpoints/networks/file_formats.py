"""Files that are no whole safetensors file: which format they have instead, and what to do. No file is unpickled."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

AGAIN = "Download it again."
TO_SAFETENSORS = (
    "Convert it in Python, which runs no code of the file: import torch, safetensors.torch as s; "
    'f = torch.load("IN", map_location="cpu", weights_only=True); '
    's.save_file({k: v.clone() for k, v in f.get("state_dict", f).items() if torch.is_tensor(v)}, "OUT.safetensors")'
)
"""How a pickled checkpoint becomes a single file."""

HEAD = 512
MOST_HEADER = 100_000_000
"""Bytes of the longest header that the safetensors library accepts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFormat:
    """A format that people take for a checkpoint.

    Args:
        what: Its name in messages, with an article.
        found: Whether a file has it, from its path and its first bytes.
        remedy: What to do.
    """

    what: str
    found: Callable[[Path, bytes], bool]
    remedy: str


def format_of(path: Path) -> tuple[str, str] | None:
    """What a file is that is not whole safetensors, in words, and what to do; None if it is of no known format.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        return "an empty file", AGAIN
    announced, size = announced_size(path), path.stat().st_size
    if announced is not None and announced > size:
        return f"a safetensors file that is cut off: it states {announced} bytes and has {size}", AGAIN
    return next(((known.what, known.remedy) for known in FORMATS if known.found(path, head)), None)


def _begins(*magics: bytes) -> Callable[[Path, bytes], bool]:
    return lambda _, head: head.startswith(magics)


def _is_page(_: Path, head: bytes) -> bool:
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype html", b"<html", b"<?xml", b"<head"))


def _is_index(path: Path, head: bytes) -> bool:
    return head.lstrip().startswith(b"{") and path.name.endswith(".index.json")


def _is_json(_: Path, head: bytes) -> bool:
    return head.lstrip().startswith((b"{", b"["))


def _is_torch_archive(path: Path, head: bytes) -> bool:
    if not head.startswith(b"PK"):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("data.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        # cut off, so that its list of contents is missing; torch writes this file first
        return b"data.pkl" in head


def _is_pickle(_: Path, head: bytes) -> bool:
    # protocols 2 to 5 begin with their number; torch's older files hold a magic number first, in protocol 2
    return len(head) > 2 and head[0] == 0x80 and head[1] in (2, 3, 4, 5)


def _is_onnx(path: Path, _: bytes) -> bool:
    return path.suffix == ".onnx"


def announced_size(path: Path) -> int | None:
    """The least size in bytes of a file by its safetensors header; None if it does not begin as one.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= MOST_HEADER:
            return None
        text = file.read(length)
    if not text.startswith(b"{") or len(text) < length:
        return 8 + length if text.startswith(b"{") else None
    try:
        tensors = [value for name, value in json.loads(text).items() if name != "__metadata__"]
        return 8 + length + max((int(tensor["data_offsets"][1]) for tensor in tensors), default=0)
    except (OverflowError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None


FORMATS: tuple[FileFormat, ...] = (
    FileFormat(what="a pickled checkpoint of torch", found=_is_torch_archive, remedy=TO_SAFETENSORS),
    FileFormat(what="a pickled checkpoint of torch", found=_is_pickle, remedy=TO_SAFETENSORS),
    FileFormat(
        what="a GGUF file, whose weights are quantised",
        found=_begins(b"GGUF"),
        remedy="Give the .safetensors file of the same model, not quantised.",
    ),
    FileFormat(
        what="a Git LFS pointer, which stands for the file",
        found=_begins(b"version https://git-lfs"),
        remedy="Fetch the file itself: git lfs pull, or hf download.",
    ),
    FileFormat(
        what="a web page, saved in place of the file",
        found=_is_page,
        remedy="Download it again: the address may need a login, or lead to the page about the file.",
    ),
    FileFormat(
        what="an ONNX graph",
        found=_is_onnx,
        remedy="Give a directory as Optimum exports it, with model_index.json and a folder per part.",
    ),
    FileFormat(
        what="an index of shards",
        found=_is_index,
        remedy="Give the checkpoint's directory, which holds model_index.json.",
    ),
    FileFormat(what="JSON text", found=_is_json, remedy="Give the checkpoint's directory, or its .safetensors file."),
    FileFormat(what="a zip archive", found=_begins(b"PK\x03\x04"), remedy="Unpack it, and give what it holds."),
    FileFormat(
        what="a packed archive",
        found=_begins(b"\x1f\x8b", b"7z\xbc\xaf\x27\x1c", b"Rar!", b"\xfd7zXZ", b"BZh", b"\x28\xb5\x2f\xfd"),
        remedy="Unpack it, and give what it holds.",
    ),
    FileFormat(
        what="a picture",
        found=_begins(b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF"),
        remedy="Give the checkpoint; some sites offer its preview under a similar name.",
    ),
    FileFormat(
        what="an HDF5 file, as Keras writes it",
        found=_begins(b"\x89HDF"),
        remedy="Give the .safetensors file of the same model.",
    ),
)
"""The formats that are known, the most specific first."""
