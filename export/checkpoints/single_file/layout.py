"""How one kind of network is stored in single files: the config from shapes, and the conversion to diffusers' names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from latentlink.export.checkpoints.networks.assemble import ConvertedState, State
from latentlink.export.checkpoints.single_file.header import PartShapes


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One kind of network in one way of storing it.

    Args:
        evidence: Name, without the part's prefix, of a tensor that only this layout has.
        config: Infers the config from shapes, in the keys of diffusers or transformers. A value that shapes cannot show
            is the one that all published models share, else left out.
        convert: Converts tensors to the network's names, given the config and the network without weights.
    """

    evidence: str
    config: Callable[[PartShapes], dict[str, Any]]
    convert: Callable[[State, Mapping[str, Any], Any], ConvertedState]


def unused_names(state: State, converted: State) -> tuple[str, ...]:
    """Names in `state` of tensors that share their storage's start with no tensor of `converted`."""
    kept = {tensor.data_ptr() for tensor in converted.values()}
    return tuple(name for name, tensor in state.items() if tensor.data_ptr() not in kept)
