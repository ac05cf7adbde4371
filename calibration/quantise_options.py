"""What a quantisation is asked to do, and whether it can be done to an export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from latentlink.calibration.formats import FORMATS
from latentlink.calibration.judge import Judge
from latentlink.calibration.observers import OBSERVERS
from latentlink.engine.bundle import Bundle, EngineEntry
from latentlink.engine.graphs import check_links
from latentlink.errors import UsageError

COUNT = 64
"""Pictures from text that are generated where nothing is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationOptions:
    """What the user chose.

    Args:
        precision: `int8` or `fp8`.
        prompts: What the model's users ask for; at least one.
        count: Pictures from text, at least 1.
        steps: Of a run; None takes the model's own.
        seed: Of the first picture.
        observer: A key of `OBSERVERS`.
        threads: Of a run; None takes all processors.
        judge: Says whether pictures show their prompts, for the gate; None where nobody can.

    Raises:
        UsageError: One of them is not what it may be.
    """

    precision: str
    prompts: tuple[str, ...]
    count: int = COUNT
    steps: int | None = None
    seed: int = 0
    observer: str = "percentile"
    threads: int | None = None
    judge: Judge | None = None

    def __post_init__(self) -> None:
        if self.precision not in FORMATS:
            raise UsageError(f"Unknown precision {self.precision!r}; expected one of: {', '.join(FORMATS)}.")
        if self.observer not in OBSERVERS:
            raise UsageError(f"Unknown observer {self.observer!r}; expected one of: {', '.join(OBSERVERS)}.")
        if not self.prompts:
            raise UsageError("There is no prompt to calibrate with; expected at least one.")
        if self.count < 1:
            raise UsageError(f"count is {self.count}; expected at least 1.")


def open_float32_export(exported: str | Path, out: str | Path) -> Bundle:
    """The export, which has what is needed.

    Raises:
        UsageError: It is not one whose denoiser can be quantised, or `out` is it.
        BundleError: It is damaged.
    """
    source = Bundle.open(exported)
    if source.manifest.kind != "export":
        raise UsageError(f"{str(exported)!r} is a bundle; expected an export, from latentlink export.")
    if Path(out).exists() and Path(out).samefile(exported):
        raise UsageError(f"{str(out)!r} is the export itself; expected another folder.")
    check_links(source)
    if missing := {"denoiser", "vae_decoder"} - source.manifest.components.keys():
        raise UsageError(
            f"{str(exported)!r} has no {' and no '.join(sorted(missing))}; expected a model that makes pictures.",
            remedy="Export all of it: latentlink export CHECKPOINT EXPORTED.",
        )
    if (found := float32_denoiser(source).precision) != "float32":
        raise UsageError(
            f"The denoiser of {str(exported)!r} was exported in {found}; expected float32, from which codes are made.",
            remedy="Export it again: latentlink export CHECKPOINT EXPORTED --dtype float32.",
        )
    return source


def float32_denoiser(source: Bundle) -> EngineEntry:
    """The denoiser that an export was made with: a quantised one stands before it."""
    return source.manifest.components["denoiser"].engines[-1]
