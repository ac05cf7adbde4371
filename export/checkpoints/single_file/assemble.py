"""A network from a config and a state dict: every weight is present, has the right shape, and comes from the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.single_file.layout import ConvertedState

# Dtypes of weights. Others are quantised, and mean nothing without scales, which no class here reads.
REAL = (
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.float8_e4m3fn,
    torch.float8_e5m2,
)


def assemble(cls: Any, config: dict[str, Any], convert: Callable[[Any], ConvertedState], where: str) -> Any:
    """Make a network in float32 and eval mode.

    Args:
        cls: Class of diffusers or transformers.
        config: Arguments of the class, or of its config class.
        convert: Makes the state dict from the network without weights.
        where: The part and its file, for errors.

    Raises:
        CheckpointError: Weights of such a network are missing, left over or of another shape or kind.
    """
    from accelerate import init_empty_weights

    try:
        with init_empty_weights():
            network = cls(cls.config_class(**config)) if hasattr(cls, "config_class") else cls(**config)
        converted = convert(network)
    except CheckpointError:
        raise
    except KeyError as error:
        raise CheckpointError(f"{where} lacks the tensor {error}.", remedy="Get the whole file again.") from None
    except (ValueError, TypeError, IndexError, RuntimeError, AttributeError, ZeroDivisionError) as error:
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise CheckpointError(
            f"{where} cannot be read as a {cls.__name__}: {reason}.",
            remedy="Get the file again, or give a diffusers directory.",
        ) from None
    state = converted.state
    wanted = network.state_dict()
    _refuse(where, "lacks weights,", sorted(wanted.keys() - state.keys()), "Get the whole file again.")
    _refuse(
        where,
        f"holds tensors that {cls.__name__} does not have,",
        sorted({*converted.unused, *(state.keys() - wanted.keys())}),
        "Give a file of the plain model: without adapters, and not quantised.",
    )
    shapes = [
        f"{name} ({list(tensor.shape)}, expected {list(wanted[name].shape)})"
        for name, tensor in state.items()
        if tensor.shape != wanted[name].shape
    ]
    _refuse(where, "has tensors of other shapes,", shapes, "Get the file again.")
    quantised = [f"{name} ({tensor.dtype})" for name, tensor in state.items() if tensor.dtype not in REAL]
    _refuse(where, "has quantised weights,", quantised, "Give a file that is not quantised.")
    # one at a time, so that half-precision weights and their float32 copies are never all in memory together
    weights = {name: state.pop(name).to(torch.float32) for name in [*state]}
    network.load_state_dict(weights, assign=True)
    return network.float().eval()


def _refuse(where: str, what: str, names: Sequence[str], remedy: str) -> None:
    if names:
        count = "" if len(names) == 1 else f" and {len(names) - 1} more"
        raise CheckpointError(f"{where} {what} such as {names[0]}{count}.", remedy=remedy)
