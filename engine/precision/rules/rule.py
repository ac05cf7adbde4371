"""The type of a rule: it claims nodes that have to stay in float32, with a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import onnx_ir as ir

Claims: TypeAlias = Mapping[ir.Node, str]
"""Nodes that stay in float32, each with its reason for the report: `normalisation statistics`."""

Rule: TypeAlias = Callable[[ir.Model, ir.DataType], Claims]
"""Takes a graph as `widen` leaves it, and the type that its other nodes will have."""
