"""The layers of a denoiser that are quantised: the products of its core with constant weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from latentlink.errors import SymbolError
from latentlink.ports import Port

if TYPE_CHECKING:
    import onnx_ir as ir

PRODUCTS = ("Conv", "MatMul", "Gemm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One product of activations and weights.

    Args:
        node: A Conv, MatMul or Gemm.
        axis: Axis of the weights with the output channels, each of which has its own scale.
        inner: Axis of the weights with the input channels.
    """

    node: ir.Node
    axis: int
    inner: int

    @property
    def name(self) -> str:
        """The node's name."""
        return self.node.name or ""

    @property
    def reads(self) -> ir.Value:
        """The activations."""
        value = self.node.inputs[0]
        if value is None:
            raise ValueError(f"{self.name} reads nothing.")
        return value

    @property
    def weights(self) -> ir.Value:
        """The weights, an initialiser."""
        value = self.node.inputs[1]
        if value is None:
            raise ValueError(f"{self.name} has no weights.")
        return value

    @property
    def writes(self) -> ir.Value:
        """Its output."""
        return self.node.outputs[0]

    @property
    def size(self) -> int:
        """Number of weights."""
        return math.prod(self.weights.shape.numpy()) if self.weights.shape is not None else 0


def layers_of(model: ir.Model) -> tuple[Layer, ...]:
    """The layers to quantise, in the order of the graph.

    Not included are the first products that read a latent and the last ones before the outputs, as they are small and
    every pixel depends on them; and products of a single vector, such as the timestep embedding, as they take no time.
    Everything that is not a product (sampler, guidance, normalisation, softmax) is never quantised.

    Args:
        model: A denoiser's float32 graph, its ports named by symbols.
    """
    products = [node for node in model.graph if node.op_type in PRODUCTS]
    latents = [value for value in model.graph.inputs if _is_latent(value)]
    ends = _first((use.node for value in latents for use in value.uses()), _after)
    ends |= _first((node for value in model.graph.outputs if (node := value.producer()) is not None), _before)
    found = []
    for node in products:
        weights, reads = node.inputs[1], node.inputs[0]
        if weights is None or reads is None or not weights.is_initializer() or node in ends:
            continue
        vector = reads.shape is None or reads.shape.rank() < 3
        if vector or weights.shape is None or weights.shape.rank() < 2:
            continue
        axis, inner = _axes(node, weights.shape.rank())
        found.append(Layer(node=node, axis=axis, inner=inner))
    return tuple(found)


def _axes(node: ir.Node, rank: int) -> tuple[int, int]:
    if node.op_type == "Conv":
        return 0, 1
    transposed = "transB" in node.attributes and node.attributes["transB"].as_int() == 1
    return (rank - 2, rank - 1) if node.op_type == "Gemm" and transposed else (rank - 1, rank - 2)


def _first(start: Iterable[ir.Node], step: Callable[[ir.Node], list[ir.Node]]) -> set[ir.Node]:
    """The products that are reached from `start` without passing through another product."""
    waiting, seen, found = list(start), set[object](), set()
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.op_type in PRODUCTS:
            found.add(node)
        elif node.op_type != "Shape":
            waiting += step(node)
    return found


def _after(node: ir.Node) -> list[ir.Node]:
    return [use.node for value in node.outputs for use in value.uses()]


def _before(node: ir.Node) -> list[ir.Node]:
    return [made for value in node.inputs if value is not None and (made := value.producer()) is not None]


def _is_latent(value: ir.Value) -> bool:
    try:
        return Port.parse(value.name or "").kind == "latent"
    except SymbolError:
        return False
