"""A network from a config and a state dict: every weight is present, has the right shape, and comes from the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.networks.making import UNBUILDABLE, arguments_of, make, outline, unbuildable
from latentlink.export.checkpoints.networks.weights import PLAIN, check_dtypes, refuse_names, to_float32

State = dict[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertedState:
    """A state dict in diffusers' or transformers' names.

    Args:
        state: State dict that the network loads.
        unused: Names of the stored tensors that were not used.
    """

    state: State
    unused: tuple[str, ...] = ()


def assemble(
    cls: Any,
    config: Mapping[str, Any],
    stored: State,
    convert: Callable[[State, Any], ConvertedState],
    where: str,
    *,
    remedy: str,
) -> Any:
    """Make a network in float32 and eval mode.

    Args:
        cls: Class of diffusers or transformers.
        config: Its config.
        stored: The tensors that are stored for it.
        convert: Makes the state dict from them and from the network without weights.
        where: The network and where it is stored, for errors.
        remedy: How to get it whole.

    Raises:
        CheckpointError: Weights of such a network are missing, left over, of another shape or kind, or not finite.
    """
    from accelerate import init_empty_weights

    outline(cls, config, stored, where, remedy=remedy)
    try:
        # its buffers have their values, unlike those of the outline
        with init_empty_weights():
            network = make(cls, arguments_of(cls, config))
        converted = convert(stored, network)
    except CheckpointError:
        raise
    except KeyError as error:
        raise CheckpointError(f"{where} lacks the tensor {error}.", remedy=remedy) from None
    except UNBUILDABLE as error:
        raise unbuildable(cls, where, error, remedy) from None
    state, wanted = converted.state, network.state_dict()
    refuse_names(where, "lacks weights", wanted.keys() - state.keys(), remedy)
    refuse_unused(cls, where, {*converted.unused, *(state.keys() - wanted.keys())})
    refuse_shapes(where, {name: (tensor.shape, wanted[name].shape) for name, tensor in state.items()}, remedy)
    # counts and positions among a network's buffers are integers there too
    counts = {name: state.pop(name) for name, tensor in wanted.items() if not tensor.is_floating_point()}
    check_dtypes(state, where)
    network.load_state_dict({**to_float32(state, where), **counts}, assign=True)
    return network.float().eval()


def refuse_unused(cls: Any, where: str, names: set[str]) -> None:
    """Refuse tensors that a network has no place for.

    Raises:
        CheckpointError: There are such tensors.
    """
    refuse_names(where, f"holds tensors that {cls.__name__} does not have", names, PLAIN)


def refuse_shapes(where: str, shapes: Mapping[str, tuple[Any, Any]], remedy: str) -> None:
    """Refuse tensors whose shapes, each beside the expected one, differ from it.

    Raises:
        CheckpointError: There are such tensors.
    """
    others = [
        f"{name} ({[*found]}, expected {[*wanted]})" for name, (found, wanted) in shapes.items() if found != wanted
    ]
    refuse_names(where, "has tensors of other shapes", others, remedy)
