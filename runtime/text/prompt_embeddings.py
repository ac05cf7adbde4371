"""Prompts that were encoded once, for several generations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentlink.engine.bundle import SizeLimits
from latentlink.errors import LinkError, UsageError
from latentlink.ports import Port

AGAIN = "Encode the prompts again: encode_prompt."


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
        counts = [len(self.prompts), len(self.negative_prompts), len(self.arrays)]
        if len({*counts}) > 1 or not self.prompts:
            raise UsageError(
                f"Received {counts[0]} prompts, {counts[1]} negative prompts and embeddings of {counts[2]}; expected "
                "as many of each, at least one.",
                remedy=AGAIN,
            )

    def check(self, ports: Mapping[str, Port], limits: SizeLimits, *, reader: str) -> None:
        """Check that the denoiser can read them.

        Args:
            ports: Its text ports, by tensor name.
            limits: Sizes that it was built for.
            reader: Its name, for messages.

        Raises:
            LinkError: They are of another model.
            UsageError: They are not what `encode_prompt` makes.
        """
        for number, (one, negative) in enumerate(zip(self.arrays, self.negative_prompts, strict=True), 1):
            if {*one} != {*ports}:
                raise LinkError(
                    f"Prompt {number} was encoded to {', '.join(sorted(one)) or 'nothing'}, but {reader} reads "
                    f"{', '.join(sorted(ports))}.",
                    remedy="Encode it with this pipeline: encode_prompt.",
                )
            lengths: dict[str, int] = {}
            for tensor, pair in one.items():
                prompt, other = pair if isinstance(pair, tuple) and len(pair) == 2 else (pair, None)
                given = [prompt] if negative is None else [prompt, other]
                fits = all(_fits(array, ports[tensor], limits, lengths) for array in given)
                if not fits or (negative is None and other is not None):
                    raise UsageError(
                        f"Prompt {number} has {' and '.join(map(_shape, given))} for {tensor}; expected "
                        f"{ports[tensor].dtype} of {list(ports[tensor].shape[1:])}, for the negative prompt too.",
                        remedy=AGAIN,
                    )

    @property
    def nbytes(self) -> int:
        """Bytes that the embeddings take."""
        return sum(array.nbytes for one in self.arrays for pair in one.values() for array in pair if array is not None)

    def __repr__(self) -> str:
        shapes = ", ".join(_shape(pair[0]) for pair in self.arrays[0].values())
        count = len(self.prompts)
        return f"<PromptEmbeddings: {count} {'prompt' if count == 1 else 'prompts'}, {shapes} each>"


def _fits(array: Any, port: Port, limits: SizeLimits, lengths: dict[str, int]) -> bool:
    """Whether an array has a port's dtype and shape, but for the first dimension; free sizes go to `lengths`."""
    shape = port.shape[1:]
    if not isinstance(array, np.ndarray) or array.dtype != np.dtype(port.dtype) or len(array.shape) != len(shape):
        return False
    for size, dim in zip(array.shape, shape, strict=True):
        if isinstance(dim, int):
            if size != dim:
                return False
            continue
        low, _, high = limits.get(dim, (1, 1, size))
        if not max(low, 1) <= size <= high or lengths.setdefault(dim, size) != size:
            return False
    return True


def _shape(array: Any) -> str:
    return f"{array.dtype} {[*array.shape]}" if isinstance(array, np.ndarray) else type(array).__name__
