"""What a conversion did: which nodes stayed in float32, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptNode:
    """A node that stays in float32.

    Args:
        node: Its name.
        operator: What it computes: `ReduceMean`.
        reason: Why, in the words of the rule that claimed it.
    """

    node: str
    operator: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionReport:
    """What one component computes in.

    Args:
        precision: What it was converted to: `float16`.
        nodes: How many nodes compute with floating-point numbers; casts that were put in do not count.
        kept: Those of them that stay in float32, in the graph's order; none where everything does.
        instead: Why it is not the precision that was asked for; empty where it is.
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
        """The whole report, every node of it."""
        return asdict(self)
