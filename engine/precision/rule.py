"""What a rule is: it claims nodes that have to stay in float32, and says why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import onnx_ir as ir

Claims: TypeAlias = Mapping[ir.Node, str]
"""Nodes that stay in float32, each with its reason as the report says it: `normalisation statistics`."""

Rule: TypeAlias = Callable[[ir.Model, ir.DataType], Claims]
"""Looks at a graph that `widen` left, and the type that the rest of it is to have."""
