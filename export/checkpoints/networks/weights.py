"""What the tensors of a network must be: all of them, no others, in its shapes, real numbers and finite."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor

from latentlink.errors import CheckpointError

REAL = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
"""Dtypes of weights. Others are quantised, and mean nothing without scales, which no class here reads."""

PLAIN = "Give the plain model: without adapters, and not quantised."
EXAMPLES = 3


def refuse_names(where: str, what: str, names: Collection[str], remedy: str) -> None:
    """Raise an error that names the first of `names` and counts the others; nothing happens if there are none.

    Args:
        where: The network and where it is stored.
        what: What is wrong with the tensors of these names, such as "lacks weights".
        names: Names of tensors, each with what else is to be said of it.
        remedy: What to do.

    Raises:
        CheckpointError: There are such names.
    """
    if names:
        first = sorted(names)[:EXAMPLES]
        more = f" and {len(names) - len(first)} more" if len(names) > len(first) else ""
        raise CheckpointError(f"{where} {what}, such as {', '.join(first)}{more}.", remedy=remedy)


def check_dtypes(state: dict[str, Tensor], where: str) -> None:
    """Refuse tensors that are not real numbers.

    Raises:
        CheckpointError: There are integers, booleans, complex numbers or values of 8 bits or less.
    """
    quantised = [f"{name} ({tensor.dtype})" for name, tensor in state.items() if tensor.dtype not in REAL]
    refuse_names(where, "has quantised weights", quantised, PLAIN)


def to_float32(state: dict[str, Tensor], where: str) -> dict[str, Tensor]:
    """The tensors in float32; `state` is emptied, so that no tensor and its copy are in memory longer than needed.

    Raises:
        CheckpointError: There are values that are not finite.
    """
    weights, broken = {}, []
    for name in [*state]:
        weights[name] = state.pop(name).to(torch.float32)
        if not _finite(weights[name]):
            broken.append(name)
    refuse_names(
        where,
        "has weights that are NaN or infinite",
        broken,
        "Get them again, or ask whoever merged or converted them.",
    )
    return weights


def _finite(tensor: Tensor) -> bool:
    # its extremes are NaN if it holds one; a thirtieth of the time of asking every number
    return tensor.numel() == 0 or all(torch.isfinite(extreme).item() for extreme in torch.aminmax(tensor))
