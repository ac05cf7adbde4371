"""The parts of a model that can be taken from elsewhere, and the options of `latentlink export` that do so."""

from __future__ import annotations

PARTS = ("vae", "text_encoder", "text_encoder_2", "text_encoder_3")
TOKENIZERS = ("tokenizer", "tokenizer_2", "tokenizer_3")


def option(part: str) -> str:
    """The option that gives a part, such as `--text-encoder-2`."""
    return f"--{part.replace('_', '-')}"
