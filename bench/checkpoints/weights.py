"""Random weights with which every input of a network affects its output."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    import torch


def fill(module: torch.nn.Module, name: str, *, seed: int, dtype: torch.dtype) -> None:
    """Give every parameter of `module` random values of `dtype`, including those that a new network sets to zero.

    Matrices and kernels have a deviation of 1/sqrt(fan-in): the text then moves the latents about as far as the noise
    does, and the steps do not amplify rounding errors. Biases have a deviation of 0.1, scales of norms are 1 +- 0.1. A
    parameter's values depend only on `seed`, `name` and the parameter's name, so networks of equal architecture and
    name are equal in every checkpoint.

    Args:
        module: Network, also on the meta device: its parameters are replaced one at a time. Tied ones stay tied.
        name: Name of the weights.
        seed: Seed of the checkpoint.
        dtype: Dtype of the new parameters.
    """
    import torch

    filled: dict[int, torch.nn.Parameter] = {}
    for key, parameter in [*module.named_parameters(remove_duplicate=False)]:
        owner, _, leaf = key.rpartition(".")
        if id(parameter) in filled:
            setattr(module.get_submodule(owner), leaf, filled[id(parameter)])
            continue
        # transformers' CLIP text model with a projection nests `text_model`, the plain one does not
        stem = key.removeprefix("text_model.")
        generator = torch.Generator().manual_seed(crc32(f"{seed}/{name}/{stem}".encode()))
        values = torch.randn(parameter.shape, generator=generator)
        if values.ndim > 1:
            values /= math.sqrt(math.prod(values.shape[1:]))
        else:
            values = values * 0.1 + (1.0 if key.endswith("weight") else 0.0)
        filled[id(parameter)] = torch.nn.Parameter(values.to(dtype), requires_grad=False)
        setattr(module.get_submodule(owner), leaf, filled[id(parameter)])
