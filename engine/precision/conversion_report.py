"""The report of a precision conversion: which nodes stay in float32, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptNode:
    """A node that stays in float32.

    Args:
        node: Its name.
        operator: Its operator: `ReduceMean`.
        reason: The reason that the rule gives.
    """

    node: str
    operator: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionReport:
    """The conversion of one component.

    Args:
        precision: Precision that it was converted to: `float16`.
        nodes: Number of nodes that compute with floating-point numbers, without inserted casts.
        kept: The nodes among them that stay in float32, in the graph's order; empty if the precision is float32.
        instead: Why it is not the requested precision; empty if it is.
    """

    precision: str
    nodes: int = 0
    kept: tuple[KeptNode, ...] = ()
    instead: str = ""

    def summary(self) -> str:
        """One line: `float16; 61 of 800 nodes in float32: 40 normalisation statistics, 12 timestep embedding`."""
        if self.instead:
            return f"{self.precision}: {self.instead}"
        if not self.kept:
            return f"{self.precision}; {self.nodes} nodes"
        reasons = Counter(kept.reason for kept in self.kept).most_common()
        listed = ", ".join(f"{count} {reason}" for reason, count in reasons)
        return f"{self.precision}; {len(self.kept)} of {self.nodes} nodes in float32: {listed}"

    def to_json(self) -> dict[str, Any]:
        """The whole report with every node."""
        return asdict(self)
