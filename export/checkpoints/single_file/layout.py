"""How one kind of network is stored in single files: a config from shapes, and names as diffusers has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from latentlink.export.checkpoints.single_file.header import PartShapes

State = dict[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertedState:
    """A state dict in diffusers' or transformers' names.

    Args:
        state: What the network loads.
        unused: Names of the file's tensors that went nowhere.
    """

    state: State
    unused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One kind of network in one way of storing it.

    Args:
        evidence: Name of a tensor, the part's prefix left out, that nothing else has.
        config: The config that shapes are evidence for, in the keys of diffusers or transformers. What shapes
            cannot show is the published value where all published models of the kind have the same, else left out.
        convert: Tensors, config and the network without weights to the network's own names.
    """

    evidence: str
    config: Callable[[PartShapes], dict[str, Any]]
    convert: Callable[[State, Mapping[str, Any], Any], ConvertedState]


def unused_names(state: State, converted: State) -> tuple[str, ...]:
    """Names of tensors of `state` that no tensor of `converted` is, or is a view of from the start."""
    kept = {tensor.data_ptr() for tensor in converted.values()}
    return tuple(name for name, tensor in state.items() if tensor.data_ptr() not in kept)
