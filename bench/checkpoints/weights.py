"""Random weights by which every input of a network matters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    import torch


def fill(module: torch.nn.Module, name: str, *, seed: int, dtype: torch.dtype) -> None:
    """Give every parameter of `module` random values of `dtype`, those that a new network keeps at zero included.

    Matrices and kernels have the spread 1/sqrt(fan-in), with which the text moves the latents about as far as the
    noise does and the steps do not amplify rounding errors; biases have 0.1, scales of norms 1 +- 0.1. A parameter's
    values depend on `seed`, `name` and the parameter's own name alone, so that networks of equal architecture and
    name are equal whatever stands beside them.

    Args:
        module: May be on the meta device: its parameters are replaced, one at a time. What is tied stays tied.
        name: Of the weights.
        seed: Of the checkpoint.
        dtype: Of the parameters afterwards.
    """
    import torch

    filled: dict[int, torch.nn.Parameter] = {}
    for key, parameter in [*module.named_parameters(remove_duplicate=False)]:
        owner, _, leaf = key.rpartition(".")
        if id(parameter) in filled:
            setattr(module.get_submodule(owner), leaf, filled[id(parameter)])
            continue
        # transformers' plain CLIP text model has no `text_model` inside, the one with a projection has
        stem = key.removeprefix("text_model.")
        generator = torch.Generator().manual_seed(crc32(f"{seed}/{name}/{stem}".encode()))
        values = torch.randn(parameter.shape, generator=generator)
        if values.ndim > 1:
            values /= math.sqrt(math.prod(values.shape[1:]))
        else:
            values = values * 0.1 + (1.0 if key.endswith("weight") else 0.0)
        filled[id(parameter)] = torch.nn.Parameter(values.to(dtype), requires_grad=False)
        setattr(module.get_submodule(owner), leaf, filled[id(parameter)])
