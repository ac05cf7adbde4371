"""What a bundle's `tokenizer.json` may hold: checked before the tokenizers library sees it. Reads no other file."""

from __future__ import annotations

from latentlink.engine.tokenizers.fields import TokenizerFormatError
from latentlink.engine.tokenizers.read import MAX_BYTES, read_tokenizer

__all__ = [
    "MAX_BYTES",
    "TokenizerFormatError",
    "read_tokenizer",
]  # fmt: skip
