"""Tokenizers of a checkpoint as `tokenizer.json`, which the runtime reads without transformers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from latentlink.engine.tokenizers import TokenizerFormatError, read_tokenizer
from latentlink.errors import CheckpointError
from latentlink.export.checkpoints import copy_tokenizer
from latentlink.export.graphs import Tokenizer


def clip_tokenizer(folder: Path, max_length: int, overflow: str = "chunk", *, inversions: bool = True) -> Tokenizer:
    """A CLIP tokenizer, from `tokenizer.json` or from `vocab.json` and `merges.txt`.

    Args:
        folder: Folder of its files.
        max_length: Most tokens that the encoder reads, start and end included. The tokenizer's own length is taken if
            that is less, as in diffusers.
        overflow: How longer prompts are handled, see `latentlink.engine.bundle.manifest.TokenizerEntry`.
        inversions: Whether a textual inversion's word stands for all of its vectors: whether the family's pipeline in
            diffusers calls `maybe_convert_prompt` for this tokenizer.

    Raises:
        CheckpointError: There is no tokenizer in `folder`, or one that lays its ids out in another way.
    """
    from transformers import CLIPTokenizerFast

    with _readable(folder, "CLIP"):
        tokenizer = _read(CLIPTokenizerFast, folder, "CLIP")
        text = _text(tokenizer, folder)  # before it reads any prompt
        length = int(min(max_length, tokenizer.model_max_length))
        start, end, pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
        _check_layout(tokenizer, folder, length, start=[start], end=[end], pad=pad)
        return Tokenizer(
            text=text,
            max_length=length,
            start_id=start,
            end_id=end,
            pad_id=pad,
            overflow=overflow,
            vectors=_vectors(tokenizer) if inversions else {},
        )


def t5_tokenizer(folder: Path, max_length: int, *, inversions: bool = False) -> Tokenizer:
    """A T5 tokenizer, from `tokenizer.json`.

    Args:
        folder: As of `clip_tokenizer`.
        max_length: Number of tokens the encoder reads, end included.
        inversions: As of `clip_tokenizer`.

    Raises:
        CheckpointError: There is no tokenizer in `folder`, or one that lays its ids out in another way.
    """
    from transformers import T5TokenizerFast

    with _readable(folder, "T5"):
        tokenizer = _read(T5TokenizerFast, folder, "T5")
        text = _text(tokenizer, folder)
        _check_layout(tokenizer, folder, max_length, start=[], end=[tokenizer.eos_token_id], pad=tokenizer.pad_token_id)
        return Tokenizer(
            text=text,
            max_length=max_length,
            start_id=None,
            end_id=tokenizer.eos_token_id,
            pad_id=tokenizer.pad_token_id,
            vectors=_vectors(tokenizer) if inversions else {},
        )


def _vectors(tokenizer: Any) -> Mapping[str, int]:
    """Textual inversions of several vectors, as diffusers stores them: the added tokens `X`, `X_1`, `X_2`, ..."""
    added = tokenizer.added_tokens_encoder
    counts = {word: next(n for n in itertools.count(1) if f"{word}_{n}" not in added) for word in added}
    return {word: count for word, count in counts.items() if count > 1}


@contextmanager
def _readable(folder: Path, title: str) -> Iterator[None]:
    """Whatever the libraries raise about a folder, in one sentence: also plain exceptions, and panics of Rust code."""
    try:
        yield
    except (CheckpointError, OSError, MemoryError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        reason = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
        raise CheckpointError(
            f"{str(folder)!r} holds no {title} tokenizer that can be read: {reason}.",
            remedy="Get the whole checkpoint again, or name a tokenizer with --tokenizer DIR.",
        ) from None


def _read(kind: Any, folder: Path, title: str) -> Any:
    with TemporaryDirectory(prefix="latentlink-") as own:
        return kind.from_pretrained(copy_tokenizer(folder, Path(own), title))


def _check_layout(tokenizer: Any, folder: Path, length: int, *, start: list[int], end: list[int], pad: int) -> None:
    """Refuse a tokenizer whose settings have another effect than the bundle's: start, the text's tokens, end, padding.

    Settings such as `padding_side` or `split_special_tokens` show in the ids alone.

    Args:
        tokenizer: The tokenizer of transformers.
        folder: Its folder, for the message.
        length: Number of ids.
        start: Ids before the text's.
        end: Ids after them.
        pad: Id that fills the rest.
    """
    from tokenizers import Tokenizer as Reader

    own = Reader.from_str(_text(tokenizer, folder))
    special = " ".join(str(token) for token in tokenizer.all_special_tokens)
    for text in ("", "a red circle", f"a {special} b", "a red circle on a blue background, " * length):
        theirs = tokenizer(text, padding="max_length", max_length=length, truncation=True).input_ids
        tokens = own.encode(text, add_special_tokens=False).ids[: length - len(start) - len(end)]
        ours = [*start, *tokens, *end]
        ours += [pad] * (length - len(ours))
        if theirs != ours:
            raise CheckpointError(
                f"The tokenizer in {str(folder)!r} gives {theirs[:4]}... for {text[:40]!r}; expected {ours[:4]}...: "
                "start, the text's tokens, end, then padding.",
                remedy="Look in its tokenizer_config.json for padding_side, truncation_side and split_special_tokens.",
            )


def _text(tokenizer: Any, folder: Path) -> str:
    """Its `tokenizer.json`.

    Raises:
        CheckpointError: A bundle may not have it.
    """
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    text: str = backend.to_str()
    try:
        read_tokenizer(text.encode())
    except TokenizerFormatError as error:
        raise CheckpointError(
            f"The tokenizer in {str(folder)!r} is not one that a bundle may have. {error.message}", remedy=error.remedy
        ) from None
    return text
