"""Whether what is asked of a build can be had at all: checked for every target before hours go into the first."""

from __future__ import annotations

from collections.abc import Sequence

from latentlink.engine.builders import Options
from latentlink.engine.builders.gpu_kinds import kinds_of_gpu
from latentlink.engine.bundle import Manifest
from latentlink.engine.graphs import precision_of
from latentlink.engine.precision import PRECISIONS
from latentlink.engine.quality import MIXED, QUANTISED
from latentlink.engine.targets import TARGETS, this_machine
from latentlink.errors import PreflightError, UsageError


def check_request(manifest: Manifest, targets: Sequence[str], options: Options) -> None:
    """Refuse what a builder would refuse later.

    Args:
        manifest: Of the export.
        targets: Keys of `TARGETS`.
        options: What the user chose.

    Raises:
        UsageError: No target has an option, a target does not compute in the precision, or one is not known.
        PreflightError: A target's builder is not installed, it needs a GPU and there is none, or a processor that
            computes in the precision.
    """
    known = (*PRECISIONS, *QUANTISED, *MIXED)
    if options.precision is not None and options.precision not in known:
        raise UsageError(f"Unknown precision {options.precision!r}; expected one of: {', '.join(known)}.")
    asked, _, _ = (options.precision or "").partition("+")
    exported = {engine.precision for entry in manifest.components.values() for engine in entry.engines}
    if asked in QUANTISED and QUANTISED[asked] not in exported:
        raise UsageError(
            f"The export has no graph in {asked}; expected a calibrated one.",
            remedy=f"Make it: latentlink calibrate EXPORTED OUT --prompts FILE --precision {asked}.",
        )
    for option in ("refit", "weight_streaming", "compute_capabilities", "timing_cache"):
        having = [name for name, target in TARGETS.items() if option in target.options]
        if getattr(options, option) and not {*having} & {*targets}:
            raise UsageError(
                f"No target of this build has the option {option.replace('_', ' ')}.",
                remedy=f"Leave it out, or build for {' or '.join(having)}.",
            )
    kinds = [kind for name in targets for kind in TARGETS[name].kinds]
    for text in options.compute_capabilities:
        if text not in kinds:
            raise UsageError(f"{text!r} is not a compute capability to build for; expected {', '.join(kinds)}.")
    machine = this_machine()
    for name in targets:
        target = TARGETS[name]
        for package in target.packages if target.profiles or not target.gpu else ():
            if machine.version(package) is None:
                raise PreflightError(
                    f"The target {name} needs {package.title}, but it is not installed.",
                    remedy=f"Install it: {package.install}.",
                )
        if target.local:
            kinds_of_gpu(name)
        for component, entry in manifest.components.items():
            precision = precision_of(entry, options.precision)
            if precision in target.lacks or ("+" in precision and precision not in target.mixed):
                raise UsageError(
                    f"The target {name} does not compute in {precision}, as {component} would.",
                    remedy="Build it in another precision: --precision fp32.",
                )
            needed = target.instructions.get(precision, ())
            if needed and not machine.instructions & {*needed}:
                raise PreflightError(
                    f"The target {name} computes in {precision} on processors with {' or '.join(needed)}, but this "
                    f"machine has {machine.processor or 'one'} without.",
                    remedy="Build it in another precision, --precision fp32, or on such a machine.",
                )
