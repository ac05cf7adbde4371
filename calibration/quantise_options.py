"""The user's options for quantising an export, and the export that they apply to, checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from latentlink.bundle_names import bundle_path
from latentlink.calibration.formats import FORMATS
from latentlink.calibration.judge import Judge
from latentlink.calibration.observers import OBSERVERS
from latentlink.checks import check_threads, choice
from latentlink.engine.bundle import Bundle, EngineEntry, check_outside
from latentlink.engine.graphs import check_links
from latentlink.errors import UsageError
from latentlink.runtime.request import check_sample

COUNT = 64
"""Default number of pictures generated from text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationOptions:
    """The user's options.

    Args:
        precision: `int8` or `fp8`.
        prompts: Prompts typical of the model's users; at least one.
        count: Pictures to generate from text, at least 1.
        steps: Denoising steps; None for the model's default.
        seed: Seed of the first picture.
        observer: A key of `OBSERVERS`.
        threads: Threads of a run; None for all that this process may use.
        judge: Checks pictures against their prompts, for the gate; None for no such check.

    Raises:
        UsageError: An option is not valid.
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
        choice("precision", self.precision, tuple(FORMATS))
        choice("observer", self.observer, tuple(OBSERVERS))
        check_sample(self.prompts, self.count, self.steps, self.seed)
        if self.threads is not None:
            check_threads(self.threads)


def open_float32_export(export: str | Path, out: Path) -> Bundle:
    """Open an export and check that its denoiser can be quantised.

    Raises:
        UsageError: It is no such export, or `out` is the export itself.
        BundleError: It is damaged.
    """
    source = Bundle.open(bundle_path(export, "export"))
    if source.manifest.kind != "export":
        raise UsageError(f"{str(export)!r} is a bundle; expected an export, from latentlink export.")
    if out.exists() and out.samefile(source.root):
        raise UsageError(f"{str(out)!r} is the export itself; expected another folder.")
    check_outside(Path(out))
    check_links(source)
    if missing := {"denoiser", "vae_decoder"} - source.manifest.components.keys():
        raise UsageError(
            f"{str(export)!r} has no {' and no '.join(sorted(missing))}; expected a model that makes pictures.",
            remedy="Export all of it: latentlink export CHECKPOINT EXPORTED.",
        )
    if (found := float32_denoiser(source).precision) != "float32":
        raise UsageError(
            f"The denoiser of {str(export)!r} was exported in {found}; expected float32, from which codes are made.",
            remedy="Export it again: latentlink export CHECKPOINT EXPORTED --dtype float32.",
        )
    return source


def float32_denoiser(source: Bundle) -> EngineEntry:
    """The record of an export's float32 denoiser; quantised ones come before it."""
    return source.manifest.components["denoiser"].engines[-1]
