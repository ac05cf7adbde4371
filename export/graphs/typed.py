"""The base of every component's module: its compute dtype is separate from the dtypes of its ports."""

from __future__ import annotations

import ctypes
import gc
from typing import Self

import torch
from torch import Tensor, nn


class TypedModule(nn.Module):
    """A module around a `core` whose compute dtype can be changed once reference outputs are computed in float32.

    Args:
        core: The network. It receives and returns tensors of `compute_dtype`; the wrapper casts at its ports.
    """

    def __init__(self, core: nn.Module) -> None:
        super().__init__()
        self.core = core
        self.compute_dtype = torch.float32

    def compute_in(self, dtype: torch.dtype) -> Self:
        """Convert the core's weights, in place. The arithmetic around the core stays float32."""
        self.core.to(dtype)
        if dtype != self.compute_dtype:
            self.compute_dtype = dtype
            free_memory()
        return self

    def release(self) -> None:
        """Free the core and its weights; the module cannot run any more."""
        self.core = nn.Identity()
        free_memory()

    def run(self, tensor: Tensor, *others: Tensor) -> Tensor:
        """Run the core in its dtype and return float32. `others` are passed unchanged."""
        result: Tensor = self.core(tensor.to(self.compute_dtype), *others)
        return result.float()


def free_memory() -> None:
    """Return unused memory to the system: glibc keeps gigabytes of freed weights for later use."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
