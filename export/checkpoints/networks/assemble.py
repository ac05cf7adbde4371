"""A network from a config and a state dict: every weight is present, has the right shape, and comes from the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from torch import Tensor

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.networks.weights import PLAIN, check_dtypes, refuse_names, to_float32

State = dict[str, Tensor]

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
    cls: Any, config: Mapping[str, Any], convert: Callable[[Any], ConvertedState], where: str, *, remedy: str
) -> Any:
    """Make a network in float32 and eval mode.

    Args:
        cls: Class of diffusers or transformers.
        config: Arguments of the class, or of its config class.
        convert: Makes the state dict from the network without weights.
        where: The network and where it is stored, for errors.
        remedy: How to get it whole.

    Raises:
        CheckpointError: Weights of such a network are missing, left over, of another shape or kind, or not finite.
    """
    from accelerate import init_empty_weights

    try:
        with init_empty_weights():
            network = cls(cls.config_class(**config)) if hasattr(cls, "config_class") else cls.from_config(config)
    except UNBUILDABLE as error:
        raise unbuildable(cls, where, error, remedy) from None
    try:
        converted = convert(network)
    except KeyError as error:
        raise CheckpointError(f"{where} lacks the tensor {error}.", remedy=remedy) from None
    except (ValueError, TypeError, IndexError, RuntimeError, AttributeError) as error:
        if isinstance(error, CheckpointError):
            raise
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


def unbuildable(cls: Any, where: str, error: Exception, remedy: str) -> CheckpointError:
    """The error for a config or tensors that a class cannot be made from."""
    reason = " ".join(str(error).split())[:200].rstrip(".")
    return CheckpointError(f"{where} cannot be read as a {cls.__name__}: {reason}.", remedy=remedy)


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
