"""A small tokenizer in CLIP's files."""

from __future__ import annotations

from pathlib import Path

from latentlink.bench.checkpoints.specs import TokenizerSpec
from latentlink.bench.checkpoints.tokenizers import END, write_clip_tokenizer


def write_small_tokenizer(folder: Path, vocabulary: int) -> None:
    """Write CLIP's tokenizer with `vocabulary` tokens into a new folder."""
    folder.mkdir(parents=True)
    write_clip_tokenizer(folder, TokenizerSpec(kind="CLIPTokenizer", vocabulary=vocabulary, pad=END, length=77))
