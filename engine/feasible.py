"""Whether a build can succeed: its options are checked for every target before hours are spent on the first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from latentlink.engine.builders import BuildOptions
from latentlink.engine.builders.gpu_kinds import NO_GPU, NO_GPU_REMEDY
from latentlink.engine.bundle import Manifest
from latentlink.engine.graphs import precision_of
from latentlink.engine.precision import PRECISIONS
from latentlink.engine.quality import MIXED_PRECISIONS, QUANTISED_PRECISIONS
from latentlink.engine.targets import TARGETS, this_machine
from latentlink.errors import LatentLinkError, PreflightError, UsageError

ERRORS: Mapping[str, tuple[type[LatentLinkError], str]] = {
    "unknown-precision": (UsageError, "Unknown precision {found!r}; expected one of: {needed}."),
    "not-calibrated": (UsageError, "The export has no graph in {needed}; expected a calibrated one."),
    "no-such-option": (UsageError, "No target of this build has the option {found}."),
    "unknown-capability": (
        UsageError,
        "{found!r} is not a compute capability to build for; expected {needed}.",
    ),
    "not-installed": (PreflightError, "The target {target} needs {needed}, but it is not installed."),
    "no-device": (PreflightError, NO_GPU),
    "precision": (UsageError, "The target {target} does not compute in {found}, as {component} would."),
    "processor": (
        PreflightError,
        "The target {target} computes in {precision} on processors with {needed}, but this machine has {found} "
        "without.",
    ),
}
"""By code: the type of the error, and its message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why a build cannot succeed.

    Args:
        code: A key of `ERRORS`.
        found: What the options, the export or the machine have.
        needed: What is needed instead.
        remedy: What to do.
        target: The target that cannot be built; empty if it is not about one.
        component: The component that cannot be built; empty likewise.
        precision: The precision that cannot be built; empty likewise.
    """

    code: str
    found: str = ""
    needed: str = ""
    remedy: str = ""
    target: str = ""
    component: str = ""
    precision: str = ""

    def summary(self) -> str:
        """The sentence for people."""
        return ERRORS[self.code][1].format(**asdict(self))

    def error(self) -> LatentLinkError:
        """The error to raise."""
        return ERRORS[self.code][0](self.summary(), remedy=self.remedy)


def check_feasible(manifest: Manifest, targets: Sequence[str], options: BuildOptions) -> None:
    """Refuse what a builder would refuse later.

    Args:
        manifest: Manifest of the export.
        targets: Keys of `TARGETS`.
        options: What the user chose.

    Raises:
        UsageError: A precision is unknown, a target does not compute in it, or no target has an option.
        PreflightError: A builder is not installed, or the machine lacks the GPU or the processor that it needs.
    """
    for obstacle in obstacles(manifest, targets, options):
        raise obstacle.error()


def obstacles(manifest: Manifest, targets: Sequence[str], options: BuildOptions) -> Iterator[Obstacle]:
    """Everything that prevents a build; arguments as for `check_feasible`."""
    yield from _precision_obstacles(manifest, options)
    yield from _option_obstacles(targets, options)
    for name in targets:
        yield from _target_obstacles(manifest, name, options)


def _precision_obstacles(manifest: Manifest, options: BuildOptions) -> Iterator[Obstacle]:
    known = (*PRECISIONS, *QUANTISED_PRECISIONS, *MIXED_PRECISIONS)
    if options.precision is not None and options.precision not in known:
        yield Obstacle(code="unknown-precision", found=options.precision, needed=", ".join(known))
    products, _, _ = (options.precision or "").partition("+")
    exported = {engine.precision for entry in manifest.components.values() for engine in entry.engines}
    if products in QUANTISED_PRECISIONS and QUANTISED_PRECISIONS[products] not in exported:
        yield Obstacle(
            code="not-calibrated",
            found=", ".join(sorted(exported)),
            needed=products,
            remedy=f"Make it: latentlink calibrate EXPORTED OUT --prompts FILE --precision {products}.",
        )


def _option_obstacles(targets: Sequence[str], options: BuildOptions) -> Iterator[Obstacle]:
    for option in ("refit", "weight_streaming", "compute_capabilities", "timing_cache"):
        having = [name for name, target in TARGETS.items() if option in target.options]
        if getattr(options, option) and not {*having} & {*targets}:
            yield Obstacle(
                code="no-such-option",
                found=option.replace("_", " "),
                needed=" or ".join(having),
                remedy=f"Leave it out, or build for {' or '.join(having)}.",
            )
    kinds = [kind for name in targets for kind in TARGETS[name].kinds]
    for text in options.compute_capabilities:
        if text not in kinds:
            yield Obstacle(code="unknown-capability", found=text, needed=", ".join(kinds))


def _target_obstacles(manifest: Manifest, name: str, options: BuildOptions) -> Iterator[Obstacle]:
    machine, target = this_machine(), TARGETS[name]
    for package in target.packages if target.profiles or not target.gpu else ():
        if machine.version(package) is None:
            yield Obstacle(
                code="not-installed",
                target=name,
                needed=package.title,
                remedy=f"Install it: {package.install}.",
            )
    if target.local and not machine.gpus:
        yield Obstacle(code="no-device", target=name, needed="a CUDA device", remedy=NO_GPU_REMEDY)
    for component, entry in manifest.components.items():
        precision = precision_of(entry, options.precision)
        if precision in target.lacks or ("+" in precision and precision not in target.mixed):
            yield Obstacle(
                code="precision",
                target=name,
                component=component,
                found=precision,
                remedy="Build it in another precision: --precision fp32.",
            )
        needed = target.instructions.get(precision, ())
        if needed and not machine.instructions & {*needed}:
            yield Obstacle(
                code="processor",
                target=name,
                component=component,
                precision=precision,
                found=machine.processor or "one",
                needed=" or ".join(needed),
                remedy="Build it in another precision, --precision fp32, or on such a machine.",
            )
