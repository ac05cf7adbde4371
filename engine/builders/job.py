"""What a builder is asked for: one graph, one target, the sizes, and what the user chose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from latentlink.ports import Port

Range: TypeAlias = tuple[int, int, int]
"""Smallest, best and largest size. Equal ones make it fixed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a user may choose of an engine beside its sizes.

    Args:
        precision: What to compute in, a key of `latentlink.engine.precision.PRECISIONS`, or of
            `latentlink.engine.quality.precisions.QUANTISED` or `MIXED`; None leaves what was exported.
        refit: Whether the weights can be replaced in the built engine.
        weight_streaming: Whether weights may stay in the host's memory and go to the GPU as they are needed.
        compute_capabilities: Kinds of GPU to build for, as `8.9`; empty for the target's usual ones.
        timing_cache: File with what earlier builds measured; read, and written with what this one measures.
    """

    precision: str | None = None
    refit: bool = False
    weight_streaming: bool = False
    compute_capabilities: tuple[str, ...] = ()
    timing_cache: Path | None = None


OnPhase: TypeAlias = Callable[[str, float], None]
"""Told the phase a builder is in and the share of it that is done, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One engine to build.

    Args:
        target: A key of `latentlink.engine.targets.table.TARGETS`.
        component: Name of the component, for messages.
        precision: What the engine computes in, as manifests name it.
        source: ONNX graph; its weights may lie beside it.
        out: The engine's file; its folder exists and is empty.
        inputs: Ports of the graph, with the names of free dimensions.
        outputs: The same of what it writes.
        limits: Sizes of free dimensions; those that are not named stay free.
        options: What the user chose.
        on_phase: Called while it is built, from any thread.
    """

    target: str
    component: str
    precision: str
    source: Path
    out: Path
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    limits: Mapping[str, Range] = field(default_factory=dict)
    options: Options = field(default_factory=Options)
    on_phase: OnPhase = lambda phase, share: None

    @property
    def fixed(self) -> dict[str, int]:
        """Free dimensions of the graph that have one size in the engine."""
        return {dim: low for dim, (low, _, high) in self.limits.items() if low == high}
