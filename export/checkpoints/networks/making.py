"""A network from its config: only what its class declares is read, and no more is made than the file holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from inspect import signature
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_parameter_registration_hook,
)

from latentlink.errors import CheckpointError
from latentlink.export.configs import declared_keys, stated_keys

UNBUILDABLE = (
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    RuntimeError,
    ImportError,
    OSError,
    StrictDataclassError,
)
"""What the libraries raise for a config that they cannot make a network from."""

# A file may hold one tensor for four of a network, query, key, value and more in one, and a tied one once.
TIMES = 4
# What a file lacks is told by name as long as that costs nothing.
FREE_TENSORS, FREE_NUMBERS = 1_000, 10_000_000


def arguments_of(cls: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a class, or of its config class, that a config states.

    Other keys are left out: some make a library import code, fetch kernels, or replace its methods. A class of neither
    library declares the arguments that it takes.
    """
    declared = declared_keys(cls.__name__) or signature(cls).parameters.keys()
    return {key: value for key, value in stated_keys(config).items() if key in declared}


def make(cls: Any, arguments: Mapping[str, Any]) -> Any:
    """A network of a class of diffusers or transformers, with random weights on the current device."""
    kind = getattr(cls, "config_class", None)
    return cls(**arguments) if kind is None else cls(kind(**arguments))


def outline(cls: Any, config: Mapping[str, Any], held: Mapping[str, Tensor], where: str, *, remedy: str) -> Any:
    """A network without numbers, on torch's meta device, for which the file holds enough of them.

    Args:
        cls: Class of diffusers or transformers.
        config: Its config.
        held: The tensors that are stored for it.
        where: The network and where it is stored, for errors.
        remedy: How to get it whole.

    Raises:
        CheckpointError: The class makes no network from the config, or one of far more weights than `held`; making it
            ends as soon as that shows.
    """
    try:
        with _no_larger_than(held, where, remedy), torch.device("meta"):
            return make(cls, arguments_of(cls, config))
    except CheckpointError:
        raise
    except UNBUILDABLE as error:
        raise unbuildable(cls, where, error, remedy) from None


def unbuildable(cls: Any, where: str, error: Exception, remedy: str) -> CheckpointError:
    """The error for a config or tensors that a class cannot be made from."""
    reason = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
    return CheckpointError(f"{where} cannot be read as {cls.__name__}: {reason}.", remedy=remedy)


@contextmanager
def _no_larger_than(held: Mapping[str, Tensor], where: str, remedy: str) -> Iterator[None]:
    """Refuse a network while it is made, as soon as it has far more parameters or numbers than there are in `held`."""
    tensors, numbers = len(held), sum(tensor.numel() for tensor in held.values())
    left = [TIMES * tensors + FREE_TENSORS, TIMES * numbers + FREE_NUMBERS]

    def count(module: nn.Module, name: str, tensor: Tensor | None) -> None:
        if tensor is not None:
            left[0] -= 1
            left[1] -= tensor.numel()
        if min(left) < 0:
            raise CheckpointError(
                f"{where} holds {tensors:,} tensors of {numbers:,} numbers; its config describes a network of more "
                f"than {TIMES} times as many.",
                remedy=remedy,
            )

    hooks = register_module_parameter_registration_hook(count), register_module_buffer_registration_hook(count)
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
