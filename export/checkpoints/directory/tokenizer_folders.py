"""Tokenizers for checkpoints that hold none: from a folder that the user names, or from the Hub's local cache."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.directory.hub import cached

# The published tokenizers of each kind; all of one kind have the same vocabulary.
PUBLISHED: Mapping[str, tuple[str, ...]] = {
    "CLIP": (
        "openai/clip-vit-large-patch14",
        "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
        "laion/CLIP-ViT-bigG-14-laion2B-39B-b160k",
    ),
    "T5": ("google/t5-v1_1-xxl", "google/t5-v1_1-xl", "google/t5-v1_1-base"),
}

# The files by which a tokenizer's folder is recognised; `tokenizer.json` may be of either kind.
FILES: Mapping[str, tuple[str, ...]] = {"CLIP": ("vocab.json", "merges.txt"), "T5": ("spiece.model",)}
MODELS = {"BPE": "CLIP", "Unigram": "T5"}

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


def kind_of_folder(folder: Path) -> str | None:
    """`CLIP`, `T5`, or None if the folder holds no such tokenizer."""
    for kind, names in FILES.items():
        if all((folder / name).is_file() for name in names):
            return kind
    try:
        model = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["type"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return MODELS.get(model)


def find_tokenizer(where: Path, part: str, kind: str) -> Path:
    """The tokenizer for a part in a folder of tokenizer files, or in a checkpoint's directory.

    Args:
        where: Folder named by the user.
        part: `tokenizer`, `tokenizer_2`, ...: a sub-folder of that name has priority.
        kind: `CLIP` or `T5`.

    Raises:
        CheckpointError: There is no tokenizer of that kind.
    """
    for folder in (where / part, *sorted(where.glob("tokenizer*/")), where):
        if kind_of_folder(folder) == kind:
            return folder
    raise CheckpointError(
        f"{str(where)!r} holds no {kind} tokenizer for {part}; expected a folder with tokenizer.json or "
        f"{' and '.join(FILES[kind])}, or a checkpoint's directory with a folder {part}.",
        remedy="Name such a folder with --tokenizer DIR.",
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
        remedy=f"Name a folder with --tokenizer DIR, or fetch one: hf download {PUBLISHED[kind][0]} tokenizer.json "
        + " ".join(FILES[kind]),
    )


def pad_token(folder: Path) -> str:
    """Padding token of a CLIP tokenizer, from its config."""
    for text in _texts(folder):
        token = text.get("pad_token")
        if isinstance(token, dict):
            token = token.get("content")
        if isinstance(token, str):
            return token
    return CLIP_PAD


def with_pad_token(folder: Path, token: str, into: Path) -> Path:
    """Copy a CLIP tokenizer's files to `into`, with `token` for padding. Weights in the same folder are not copied."""
    for name in (*FILES["CLIP"], "tokenizer.json", *CONFIGS):
        if (folder / name).is_file():
            shutil.copyfile(folder / name, into / name)
    for name, text in zip(CONFIGS, _texts(folder), strict=True):
        (into / name).write_text(json.dumps({**text, "pad_token": token}), encoding="utf-8")
    return into


CONFIGS = ("tokenizer_config.json", "special_tokens_map.json")


def _texts(folder: Path) -> Iterator[Mapping[str, object]]:
    for name in CONFIGS:
        try:
            text = json.loads((folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            text = {}
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            raise CheckpointError(f"{str(folder / name)!r} is not JSON: {error}.", remedy="Get it again.") from None
        yield text if isinstance(text, dict) else {}
