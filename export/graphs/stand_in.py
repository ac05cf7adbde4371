"""A torch module that stands in for a plain ONNX graph: recipes call it like the network it was exported from.

In torch it runs the graph with ONNX Runtime, which gives the reference that the finished component is compared
with. While it is traced for export it leaves one node, which `latentlink.export.graphs.surgery` replaces by the graph.
So the step, the affine and the rounding around a network are written once, for torch and for imported graphs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from latentlink.errors import CheckpointError
from latentlink.export.graphs.component import DTYPES
from latentlink.export.graphs.plain import PlainGraph
from latentlink.processors import processors

DOMAIN = "latentlink"
OPERATOR = "Plain"

TracedDim: TypeAlias = int | torch.SymInt
OutputShapes: TypeAlias = Callable[[Mapping[str, Tensor]], Mapping[str, Sequence[TracedDim]]]
"""The shapes of a graph's outputs from its inputs, both by name."""


class NotInGraph(CheckpointError, AttributeError):
    """A recipe reads an attribute of a network that its graph does not expose; `hasattr` is false for it."""


class StandIn(nn.Module):
    """A plain graph that is called like the network it was exported from.

    Args:
        graph: The graph.
        arguments: The graph's input names in the order of the network's positional arguments.
        shapes: Shapes of the outputs that a recipe may read; those that the graph lacks are ignored.
        returns: Return value of `forward`, from the outputs by name.
        config: The network's config, as recipes read it.
    """

    def __init__(
        self,
        graph: PlainGraph,
        *,
        arguments: Sequence[str],
        shapes: OutputShapes,
        returns: Callable[[Mapping[str, Tensor]], Any],
        config: Any = None,
    ) -> None:
        super().__init__()
        self.graph = graph
        self.arguments = tuple(arguments)
        self.shapes = shapes
        self.returns = returns
        self.config = config
        self.weights: Mapping[str, Tensor] = {}

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """The graph's weights, if set; as part of a larger module, none."""
        return super().state_dict(*args, **kwargs) if args or kwargs else self.weights

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the graph's weights."""
        return DTYPES[self.graph.dtype]

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            raise NotInGraph(
                f"The export needs {name!r} of the network in {self.graph.title}, "
                "but an ONNX graph has only its inputs and outputs.",
                remedy="Export from the checkpoint's own weights instead.",
            ) from None

    def forward(self, *positional: Any, **named: Any) -> Any:
        """Run the graph with the network's arguments; each goes to the input of its name, cast to that input's dtype.

        Raises:
            CheckpointError: The graph's inputs differ from the arguments.
        """
        inputs = self._inputs(dict(zip(self.arguments, positional, strict=False)) | named)
        shapes = {name: list(shape) for name, shape in self.shapes(inputs).items() if name in self.graph.outputs}
        results = self._traced(inputs, shapes) if torch.onnx.is_in_onnx_export() else self._run(inputs, list(shapes))
        return self.returns(dict(zip(shapes, results, strict=True)))

    def _inputs(self, arguments: Mapping[str, Any]) -> dict[str, Tensor]:
        """The tensors among the arguments, in the order of the graph's inputs. Other arguments are options of the
        network; their values were fixed when the graph was exported, and show in its outputs."""
        tensors: dict[str, Tensor] = {}
        for name, value in arguments.items():
            nested = value if isinstance(value, dict) else {name: value}
            tensors |= {key: item for key, item in nested.items() if isinstance(item, Tensor)}
        if set(tensors) != set(self.graph.inputs):
            raise CheckpointError(
                f"{self.graph.title} reads {', '.join(sorted(self.graph.inputs))}, "
                f"but a model of its family reads {', '.join(sorted(tensors))}.",
                remedy="Export it again with a current Optimum, or name the right --family.",
            )
        return {name: tensors[name].to(DTYPES[tensor.dtype]) for name, tensor in self.graph.inputs.items()}

    def _traced(self, inputs: Mapping[str, Tensor], shapes: Mapping[str, list[TracedDim]]) -> Sequence[Tensor]:
        return torch.onnx.ops.symbolic_multi_out(
            f"{DOMAIN}::{OPERATOR}",
            list(inputs.values()),
            {"path": str(self.graph.path), "inputs": list(inputs), "outputs": list(shapes)},
            dtypes=[DTYPES[self.graph.outputs[name].dtype] for name in shapes],
            shapes=list(shapes.values()),
            version=1,
        )

    def _run(self, inputs: Mapping[str, Tensor], outputs: Sequence[str]) -> list[Tensor]:
        feeds = {name: tensor.detach().numpy() for name, tensor in inputs.items()}
        return [torch.from_numpy(array) for array in run_plain(self.graph, feeds, outputs)]


def plain_graph(module: nn.Module) -> PlainGraph | None:
    """The plain graph inside a component; None if it is made from a torch network."""
    return next((part.graph for part in module.modules() if isinstance(part, StandIn)), None)


def run_plain(graph: PlainGraph, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> list[NDArray[Any]]:
    """Run a plain graph on the CPU.

    Args:
        graph: The graph.
        feeds: Its inputs by name. An input that the graph declares as a scalar may have one value a row: the rows
            are then run one at a time.
        outputs: Names of the outputs to compute.

    Returns:
        The outputs in order, rows concatenated.

    Raises:
        CheckpointError: ONNX Runtime cannot run it at these sizes.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = processors()
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.disable_prepacking", "1")
    try:
        session = ort.InferenceSession(graph.path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own have no common base
        raise CheckpointError(
            f"ONNX Runtime cannot open {graph.title}: {_reason(error)}.",
            remedy="Export it again with Optimum's --dynamo.",
        ) from None
    try:
        return _results(session, graph, feeds, outputs)
    except Exception as error:
        shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in feeds.items())
        raise CheckpointError(
            f"{graph.title} does not run with {shapes}: {_reason(error)}.",
            remedy="If it runs at the size it was exported with, that size is fixed inside it: export it again with "
            "Optimum's --dynamo.",
        ) from None


def _reason(error: Exception) -> str:
    return " ".join(str(error).split("Status Message:")[-1].split())[:300].rstrip(".")


def _results(
    session: Any, graph: PlainGraph, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]
) -> list[NDArray[Any]]:
    rowwise = {name for name, array in feeds.items() if array.ndim and not graph.inputs[name].shape}
    if not rowwise:
        return list(session.run(list(outputs), dict(feeds)))
    rows = next(feeds[name].shape[0] for name in rowwise)
    parts = [
        session.run(
            list(outputs),
            {
                name: np.asarray(array[row]) if name in rowwise else array[row : row + 1]
                for name, array in feeds.items()
            },
        )
        for row in range(rows)
    ]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]
