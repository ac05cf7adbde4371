"""The job of a builder: one graph, one target, the sizes and the user's options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from latentlink.checks import instance, path_of, texts, truth
from latentlink.engine.bundle import SizeLimits
from latentlink.ports import Port


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """What a user may choose for an engine beside its sizes.

    Args:
        precision: Precision to compute in: a key of `PRECISIONS` (`engine/precision`), or of `QUANTISED_PRECISIONS` or
            `MIXED_PRECISIONS` (`engine/quality`); None for the exported one.
        refit: Whether the weights of the built engine can be replaced.
        weight_streaming: Whether weights may stay in host memory and be copied to the GPU as they are needed.
        compute_capabilities: Compute capabilities of GPUs to build for, as `8.9`; empty for the target's default ones.
        timing_cache: File of kernel timings that earlier builds measured; this build adds its own.

    Raises:
        UsageError: One is not of its type. Whether the targets of a build have it is checked by the build.
    """

    precision: str | None = None
    refit: bool = False
    weight_streaming: bool = False
    compute_capabilities: tuple[str, ...] = ()
    timing_cache: Path | None = None

    def __post_init__(self) -> None:
        if self.precision is not None:
            instance("precision", self.precision, str)
        truth("refit", self.refit)
        truth("weight_streaming", self.weight_streaming)
        texts("compute_capabilities", self.compute_capabilities)
        if self.timing_cache is not None:
            path_of("timing_cache", self.timing_cache)


OnPhase: TypeAlias = Callable[[str, float], None]
"""Called with the builder's phase and the share of it that is done, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One engine to build.

    Args:
        target: A key of `latentlink.engine.targets.TARGETS`.
        component: Name of the component, for messages.
        precision: The manifest's name of the precision that the engine computes in.
        source: ONNX graph; its weights may be beside it.
        out: The engine's file; its directory exists and is empty.
        inputs: Input ports of the graph, with the names of free dimensions.
        outputs: Output ports, likewise.
        limits: Size ranges of free dimensions; a dimension that is not named stays free.
        options: The user's options.
        on_phase: Called during the build, from any thread.
    """

    target: str
    component: str
    precision: str
    source: Path
    out: Path
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    limits: SizeLimits = field(default_factory=dict)
    options: BuildOptions = field(default_factory=BuildOptions)
    on_phase: OnPhase = lambda phase, share: None

    @property
    def fixed(self) -> dict[str, int]:
        """Free dimensions of the graph that have a fixed size in the engine."""
        return {dim: low for dim, (low, _, high) in self.limits.items() if low == high}
