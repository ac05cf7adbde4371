"""torch module to ONNX file: tensors get their ports' names, and weights go straight to disk."""

from __future__ import annotations

import gc
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx_ir as ir
import torch
from torch import Tensor, nn

from latentlink.export.graphs.rewriting import exact_rules
from latentlink.export.graphs.stand_in import plain_graph
from latentlink.export.graphs.surgery import splice
from latentlink.ports import Port

OPSET = 20
WEIGHTS_SUFFIX = ".data"


def write_onnx(
    module: nn.Module,
    example: tuple[Tensor, ...],
    *,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    path: Path,
) -> None:
    """Trace `module` with `example` and write `path` and `path` + `.data`.

    Every named dimension of a port stays free. Weights are written tensor by tensor from the module's own
    memory, so the peak is the module, not two of it.

    Args:
        module: Module in eval mode.
        example: One tensor for each of `inputs`; free dimensions are above 1, so that none is specialised.
        inputs: Ports of the arguments.
        outputs: Ports of the module's return values.
        path: File to write, in an existing folder.
    """
    free = tuple({axis: dim for axis, dim in enumerate(port.shape) if isinstance(dim, str)} for port in inputs)
    # a plain graph keeps its opset, and what is traced around it uses the same
    plain = plain_graph(module)
    opset = OPSET if plain is None else plain.opset
    with _quiet(), _without_gc(), exact_rules(), torch.no_grad():
        program = torch.onnx.export(
            _Positional(module),
            example,
            dynamic_shapes=(free,),
            dynamo=True,
            opset_version=opset,
            optimize=True,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    model = program.model
    splice(model)
    _name(model.graph.inputs, inputs)
    _name(model.graph.outputs, outputs)
    _strip_notes(model)
    model.producer_name, model.producer_version = "latentlink", torch.__version__
    ir.save(model, path, external_data=path.name + WEIGHTS_SUFFIX)
    # The rewriting rules of onnxscript remember the last graph they saw, and its weights with it.
    for value in model.graph.initializers.values():
        value.const_value = None


class _Positional(nn.Module):
    """Any module with `*tensors` for arguments, so that all are traced alike."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *tensors: Tensor) -> Any:
        return self.module(*tensors)


def _name(values: Sequence[ir.Value], ports: Sequence[Port]) -> None:
    """Give graph inputs or outputs their symbols and the ports' names for free dimensions."""
    if len(values) != len(ports):
        raise RuntimeError(f"the traced graph has {len(values)} tensors where the ports are {len(ports)}")
    for value, port in zip(values, ports, strict=True):
        value.name = port.tensor
        value.shape = ir.Shape(port.shape)


def _strip_notes(model: ir.Model) -> None:
    """Drop the exporter's notes: they name files of the machine it ran on and are larger than the graph."""
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        node.metadata_props.clear()
        node.doc_string = None
        for value in node.outputs:
            value.metadata_props.clear()
    for value in model.graph.initializers.values():
        value.metadata_props.clear()
    model.graph.metadata_props.clear()
    model.metadata_props.clear()


@contextmanager
def _without_gc() -> Iterator[None]:
    """Disable the search for reference cycles: tracing makes millions of small objects, and a fifth of its time went
    into that search. Tensors are freed without it, so the memory peak is the same.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the exporter's remarks about torchvision and axis names."""
    loggers = [logging.getLogger("torch.onnx"), logging.getLogger("onnxscript"), logging.getLogger("onnx_ir")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
