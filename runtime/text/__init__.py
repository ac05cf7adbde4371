"""From prompts to embeddings: tokens, weights, pieces."""

from __future__ import annotations

from latentlink.runtime.text.embedding import encode
from latentlink.runtime.text.prompt_embeddings import PromptEmbeddings
from latentlink.runtime.text.prompts import Prompts, Tokens

__all__ = [
    # prompts to tokens to embeddings
    "encode",
    "PromptEmbeddings",
    "Prompts",
    "Tokens",
]  # fmt: skip
