"""Tokenizers for checkpoints that hold none: from a folder that the user names, or from the Hub's local cache."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.directory.hub import cached
from latentlink.export.checkpoints.directory.tokenizer_files import FILES, copy_tokenizer, kind_of_folder, texts_of
from latentlink.export.checkpoints.networks.part_names import option

# The published tokenizers of each kind; all of one kind have the same vocabulary.
PUBLISHED: Mapping[str, tuple[str, ...]] = {
    "CLIP": (
        "openai/clip-vit-large-patch14",
        "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
        "laion/CLIP-ViT-bigG-14-laion2B-39B-b160k",
    ),
    "T5": ("google/t5-v1_1-xxl", "google/t5-v1_1-xl", "google/t5-v1_1-base"),
}

# Padding token of CLIPTokenizer if its config names none.
CLIP_PAD = "<|endoftext|>"


def kind_of_class(name: str) -> str:
    """`CLIP` or `T5`, from the name of a tokenizer's class.

    Raises:
        CheckpointError: The class is neither.
    """
    for kind in FILES:
        if name.startswith(kind):
            return kind
    raise CheckpointError(f"{name or 'Nothing'!r} is not a supported tokenizer; expected one of: {', '.join(FILES)}.")


def find_tokenizer(where: Path, part: str, kind: str | None) -> Path:
    """The tokenizer for a part in a folder of tokenizer files, or in a checkpoint's directory.

    Args:
        where: Folder named by the user.
        part: `tokenizer`, `tokenizer_2`, ...: a sub-folder of that name has priority.
        kind: `CLIP`, `T5`, or None for either.

    Raises:
        CheckpointError: There is no tokenizer of that kind.
    """
    for folder in (where / part, *sorted(where.glob("tokenizer*/")), where):
        found = kind_of_folder(folder)
        if found is not None and kind in (found, None):
            return folder
    title, files = ("CLIP or T5", FILES["CLIP"]) if kind is None else (kind, FILES[kind])
    raise CheckpointError(
        f"{str(where)!r} holds no {title} tokenizer for {part}; expected a folder with tokenizer.json or "
        f"{' and '.join(files)}, or a checkpoint's directory with a folder {part}.",
        remedy=f"Name such a folder with {option(part)} DIR.",
    )


def cached_tokenizer(part: str, kind: str) -> Path:
    """A published tokenizer of a kind, from the Hub's local cache.

    Raises:
        CheckpointError: None of that kind is in the cache.
    """
    for hub_id in PUBLISHED[kind]:
        folder = cached([hub_id])
        if folder is not None and kind_of_folder(folder) == kind:
            return folder
    raise CheckpointError(
        f"The checkpoint holds no {part}, and no {kind} tokenizer is in the Hub's local cache.",
        remedy=f"Name a folder with {option(part)} DIR, or fetch one: hf download {PUBLISHED[kind][0]} "
        f"tokenizer.json {' '.join(FILES[kind])}",
    )


def pad_token(folder: Path) -> str:
    """Padding token of a CLIP tokenizer, from its config."""
    for text in texts_of(folder).values():
        token = text.get("pad_token")
        if isinstance(token, dict):
            token = token.get("content")
        if isinstance(token, str):
            return token
    return CLIP_PAD


def with_pad_token(folder: Path, token: str, into: Path) -> Path:
    """Copy a CLIP tokenizer's files to `into`, with `token` for padding. Weights in the same folder are not copied."""
    copy_tokenizer(folder, into, "CLIP")
    for name, text in texts_of(into).items():
        (into / name).write_text(json.dumps({**text, "pad_token": token}), encoding="utf-8")
    return into
