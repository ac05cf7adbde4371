"""A network from a config and a state dict: every weight of it is there, has its shape, and comes from the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.single_file.layout import ConvertedState

# What weights are stored in. Others are quantised: they mean nothing without scales that no class here reads.
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
        cls: Its class, of diffusers or transformers.
        config: What the class is made with.
        convert: The network without weights to its state dict.
        where: The part and its file, for errors.

    Raises:
        CheckpointError: The weights are not those of such a network, whole and no more.
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
            f"{where} is no {cls.__name__} that can be made: {reason}.",
            remedy="Get the file again, or give a diffusers directory.",
        ) from None
    state = converted.state
    wanted = network.state_dict()
    _refuse(where, "lacks weights,", sorted(wanted.keys() - state.keys()), "Get the whole file again.")
    _refuse(
        where,
        f"holds what {cls.__name__} has no place for,",
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
    _refuse(where, "has weights that are no plain numbers,", quantised, "Give a file that is not quantised.")
    # one at a time, so that a half-precision file and its float32 weights are never both whole in memory
    weights = {name: state.pop(name).to(torch.float32) for name in [*state]}
    network.load_state_dict(weights, assign=True)
    return network.float().eval()


def _refuse(where: str, what: str, names: Sequence[str], remedy: str) -> None:
    if names:
        count = "" if len(names) == 1 else f" and {len(names) - 1} more"
        raise CheckpointError(f"{where} {what} such as {names[0]}{count}.", remedy=remedy)
