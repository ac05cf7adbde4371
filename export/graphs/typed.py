"""The base of every component's module: what it computes in, apart from what crosses its ports."""

from __future__ import annotations

import ctypes
import gc
from typing import Self

import torch
from torch import Tensor, nn


class TypedModule(nn.Module):
    """A module around a `core` whose compute dtype can be changed after reference outputs were taken in float32.

    Args:
        core: The network. It receives and returns `compute_dtype`; the wrapper casts at its ports.
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
        """Let go of the core and its weights; the module cannot run any more."""
        self.core = nn.Identity()
        free_memory()

    def run(self, tensor: Tensor, *others: Tensor) -> Tensor:
        """The core in its dtype, the result in float32. `others` are passed as they are."""
        result: Tensor = self.core(tensor.to(self.compute_dtype), *others)
        return result.float()


def free_memory() -> None:
    """Give back to the system what is no longer used: glibc keeps freed weights for later, gigabytes of them."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
