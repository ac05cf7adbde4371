"""Prompts that were encoded once, for several generations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PromptEmbeddings:
    """Prompts and their negative prompts as a model's text encoders wrote them. Made by `Pipeline.encode_prompt`.

    Threads may share one, and it can be pickled. It fits every model that reads the same symbols.

    Args:
        prompts: The prompts.
        negative_prompts: The negative prompt of each; None where the model compares with zeros.
        arrays: For each prompt, by tensor name of the denoiser's text ports, the prompt's embedding, `[L, D]`, or `[D]`
            if it is pooled, and the negative prompt's, None where that is zeros.
    """

    prompts: tuple[str, ...]
    negative_prompts: tuple[str | None, ...]
    arrays: tuple[Mapping[str, tuple[NDArray[Any], NDArray[Any] | None]], ...]

    def __post_init__(self) -> None:
        for one in self.arrays:
            for pair in one.values():
                for array in pair:
                    if array is not None:
                        array.setflags(write=False)

    @property
    def nbytes(self) -> int:
        """Bytes that the embeddings take."""
        return sum(array.nbytes for one in self.arrays for pair in one.values() for array in pair if array is not None)

    def __repr__(self) -> str:
        shapes = ", ".join(str([*np.shape(prompt)]) for prompt, _ in self.arrays[0].values())
        count = len(self.prompts)
        return f"<PromptEmbeddings: {count} {'prompt' if count == 1 else 'prompts'}, {shapes} each>"
