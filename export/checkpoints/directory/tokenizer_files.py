"""The files of a tokenizer, checked and copied, so that the library finds these and no others."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from math import inf
from pathlib import Path
from typing import Any

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.directory.json_file import read_json
from latentlink.export.configs import shown

# The files by which a tokenizer's folder is recognised; `tokenizer.json` may be of either kind.
FILES: Mapping[str, tuple[str, ...]] = {"CLIP": ("vocab.json", "merges.txt"), "T5": ("spiece.model",)}
MODELS = {"BPE": "CLIP", "Unigram": "T5"}

WHOLE = "tokenizer.json"
CONFIG = "tokenizer_config.json"
VOCABULARY = (*FILES["CLIP"], *FILES["T5"], WHOLE)
SETTINGS = (CONFIG, "special_tokens_map.json", "added_tokens.json")

# Keys of a tokenizer's config that are of no use here: code, and places of files on the machine that saved it.
DROPPED = ("auto_map", "trust_remote_code", "vocab_file", "merges_file", "spm_file", "tokenizer_file")
# Keys by which a config replaces the vocabulary of the usual files.
ELSEWHERE = ("fast_tokenizer_files", "gguf_file", "init_inputs", "merges", "tokenizer_object", "vocab")

# Numbers in a tokenizer's config that the libraries would count up to, or compare with, without looking at them.
NUMBERS: Mapping[str, tuple[float, float]] = {"model_max_length": (3, inf), "extra_ids": (0, 10_000)}

MOST_IDS = 1 << 22
"""More ids than any published vocabulary has."""

REMEDY = "Get the whole folder again, or name a tokenizer with --tokenizer DIR."


def kind_of_folder(folder: Path) -> str | None:
    """`CLIP`, `T5`, or None if the folder holds no such tokenizer."""
    for kind, names in FILES.items():
        if all((folder / name).is_file() for name in names):
            return kind
    try:
        model = read_json(folder / WHOLE).get("model")
    except CheckpointError:
        return None
    named = model.get("type") if isinstance(model, dict) else None
    return MODELS.get(named) if isinstance(named, str) else None


def copy_tokenizer(folder: Path, into: Path, kind: str) -> Path:
    """Copy a tokenizer to `into`; other files of the folder, such as weights, are left out.

    Args:
        folder: Folder of the tokenizer.
        into: An empty folder.
        kind: `CLIP` or `T5`.

    Raises:
        CheckpointError: It is of another kind, its files contradict each other, its config names other files, or one is
            not JSON.
    """
    if kind_of_folder(folder) != kind:
        # without its files the library makes a tokenizer of three tokens
        raise CheckpointError(
            f"{str(folder)!r} holds no {kind} tokenizer; expected {WHOLE} or {' and '.join(FILES[kind])}.",
            remedy=REMEDY,
        )
    _check_vocabularies(folder)
    _check_ids(folder)
    for name in (*VOCABULARY, *SETTINGS):
        if (folder / name).is_file():
            shutil.copyfile(folder / name, into / name)
    if (folder / CONFIG).is_file():
        config = read_json(folder / CONFIG)
        for key in ELSEWHERE:
            if config.get(key):
                raise CheckpointError(
                    f"{str(folder / CONFIG)!r} has {key}, which replaces the vocabulary; expected it in "
                    f"{WHOLE} or {VOCABULARY[0]} and {VOCABULARY[1]}.",
                    remedy=REMEDY,
                )
        for key, (least, most) in NUMBERS.items():
            value = config.get(key)
            if value is not None and not (type(value) in (int, float) and least <= value <= most):
                raise CheckpointError(
                    f"{str(folder / CONFIG)!r} has {key} {shown(value)}; expected a number from {least:,} to {most:,}.",
                    remedy=REMEDY,
                )
        kept = {key: value for key, value in config.items() if key not in DROPPED}
        (into / CONFIG).write_text(json.dumps(kept), encoding="utf-8")
    return into


def _check_vocabularies(folder: Path) -> None:
    """Refuse a folder that holds two vocabularies: releases of transformers differ in which one they read."""
    if not all((folder / name).is_file() for name in (WHOLE, *FILES["CLIP"])):
        return
    model = read_json(folder / WHOLE).get("model")
    vocabulary, merges = (model.get("vocab"), model.get("merges")) if isinstance(model, dict) else (None, None)
    if vocabulary != read_json(folder / VOCABULARY[0]):
        raise _contradiction(folder, VOCABULARY[0])
    if not isinstance(merges, list) or [*map(_pair, merges)] != _merges(folder / VOCABULARY[1]):
        raise _contradiction(folder, VOCABULARY[1])


def _check_ids(folder: Path) -> None:
    """Refuse ids that no vocabulary has: libraries make tables that are as long as the largest."""
    files = {
        name: read_json(folder / name) for name in (*FILES["CLIP"][:1], WHOLE, SETTINGS[2]) if (folder / name).is_file()
    }
    model, added = (files.get(WHOLE, {}).get(key) for key in ("model", "added_tokens"))
    listed = {
        **{name: [*record.values()] for name, record in files.items() if name != WHOLE},
        WHOLE: [
            *(model["vocab"].values() if isinstance(model, dict) and isinstance(model.get("vocab"), dict) else ()),
            *(one.get("id") for one in (added if isinstance(added, list) else ()) if isinstance(one, dict)),
        ],
    }
    for name, ids in listed.items():
        if wrong := [one for one in ids if type(one) is not int or not 0 <= one < MOST_IDS]:
            raise CheckpointError(
                f"{str(folder / name)!r} has the token id {shown(wrong[0])}; expected whole numbers below "
                f"{MOST_IDS:,}.",
                remedy=REMEDY,
            )


def _contradiction(folder: Path, name: str) -> CheckpointError:
    return CheckpointError(
        f"{WHOLE} and {name} in {str(folder)!r} hold different vocabularies; expected the same one.", remedy=REMEDY
    )


def _merges(path: Path) -> list[Any]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{str(path)!r} is not text: {error}.", remedy=REMEDY) from None
    return [_pair(line) for line in lines if line.strip() and not line.startswith("#version")]


def _pair(merge: object) -> Any:
    """A merge as `tokenizer.json` states it, one text or two, and as a line of `merges.txt`."""
    return tuple(merge.split()) if isinstance(merge, str) else tuple(merge) if isinstance(merge, list) else merge


def texts_of(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """The settings that may state special tokens, by file name; empty where a file is missing."""
    return {name: read_json(folder / name) if (folder / name).is_file() else {} for name in SETTINGS[:2]}
