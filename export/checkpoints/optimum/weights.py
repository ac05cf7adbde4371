"""The weights of a plain graph by name, read on demand."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

import onnx_ir as ir
import torch
from torch import Tensor

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.networks.weights import refuse_names
from latentlink.export.graphs import load_onnx

FLOATS = (ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.DOUBLE)


class PlainWeights(Mapping[str, Tensor]):
    """Float weights of a graph, as in a `state_dict`.

    Exporters rename, transpose and fold weights, so the digest identifies the graph and not the checkpoint it was
    exported from: to the linker, the same model exported with torch has another space.

    Args:
        path: The ONNX file.
        prefix: Prefix of every name.
        refusal: Error to raise when weights are read, if they must not decide the space.
    """

    def __init__(self, path: Path, *, prefix: str = "", refusal: CheckpointError | None = None) -> None:
        self._path = path
        self._prefix = prefix
        self._refusal = refusal

    @cached_property
    def _values(self) -> Mapping[str, ir.TensorProtocol]:
        if self._refusal is not None:
            raise self._refusal
        return {
            self._prefix + name: value.const_value
            for name, value in load_onnx(self._path).graph.initializers.items()
            if value.const_value is not None and value.const_value.dtype in FLOATS
        }

    def __getitem__(self, name: str) -> Tensor:
        with warnings.catch_warnings():
            # the file is mapped read-only, and nothing writes to it
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            return torch.from_numpy(self._values[name].numpy())

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def refuse_nan(path: Path, where: str) -> None:
    """Refuse a graph with weights that are NaN. Infinity is a number of attention masks.

    Args:
        path: The ONNX file.
        where: The graph, for errors.

    Raises:
        CheckpointError: There are such weights.
    """
    broken = [
        name for name, tensor in PlainWeights(path).items() if tensor.numel() and torch.aminmax(tensor).min.isnan()
    ]
    refuse_names(where, "has weights that are NaN", broken, "Export it again, from a checkpoint without them.")
