"""Tokenizers of a checkpoint as `tokenizer.json`, which the runtime reads without transformers."""

from __future__ import annotations

from pathlib import Path

from latentlink.errors import CheckpointError
from latentlink.export.component import Tokenizer


def clip_tokenizer(folder: Path, max_length: int) -> Tokenizer:
    """A CLIP tokenizer, from `tokenizer.json` or from `vocab.json` and `merges.txt`.

    Raises:
        CheckpointError: There is no tokenizer in `folder`.
    """
    from transformers import CLIPTokenizerFast

    try:
        tokenizer = CLIPTokenizerFast.from_pretrained(folder)
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"{str(folder)!r} holds no CLIP tokenizer ({error}).", remedy="Get the whole checkpoint again."
        ) from None
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    return Tokenizer(
        text=backend.to_str(),
        max_length=max_length,
        start_id=tokenizer.bos_token_id,
        end_id=tokenizer.eos_token_id,
        pad_id=tokenizer.pad_token_id,
    )
