"""Contenders of a comparison: our bundles, each on a target, and other systems, each in a precision."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from latentlink.bench.against.our_side import SETTINGS, OurSide
from latentlink.bench.against.sides import NATIVE, OURS, SIDES, Side
from latentlink.engine.bundle import Bundle, EngineEntry
from latentlink.errors import UsageError
from latentlink.runtime import bundle_path
from latentlink.runtime.linking import ComponentSource, choose
from latentlink.runtime.loading import decide

LATENTLINK = "latentlink"
"""Name of all our sides."""

TITLES = ("LatentLink {denoiser}", "LatentLink {denoiser} ({bundle})", "LatentLink {denoiser} ({bundle}@{target})")
"""Titles of our sides in tables, the shortest first: by the denoiser's target, the bundle, the requested target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One side of a comparison.

    Args:
        name: Name on the command line.
        precision: Compute precision; for ours, that of the denoiser.
        side: Description of the system.
        ours: Bundle, target and settings of our side and of the native runtime; None for others.
        denoiser: Target of our denoiser's engine; empty for others.
    """

    name: str
    precision: str
    side: Side
    ours: OurSide | None = None
    denoiser: str = ""

    @property
    def title(self) -> str:
        """Title in tables."""
        return label(self.side.title, self.precision, {} if self.ours is None else self.ours.settings)


def label(title: str, precision: str, settings: Mapping[str, int]) -> str:
    """Label of a side in tables: `LatentLink ort-cpu, float32, step cache 2`."""
    return ", ".join([title, precision, *(SETTINGS[name].format(value) for name, value in settings.items())])


def our_contenders(sides: Sequence[OurSide]) -> list[Contender]:
    """Our sides, each with the engine that is chosen for its denoiser on this machine.

    A title has the first form of `TITLES` that fits no other bundle or target; settings follow it.

    Args:
        sides: Bundles, targets and settings.

    Raises:
        UsageError: There is no such bundle or target, or a side is given twice.
        BundleError: A bundle is damaged.
        PreflightError: No engine of a component is valid on this machine.
    """
    seen: set[tuple[object, ...]] = set()
    for ours in sides:
        one = (bundle_path(ours.bundle).resolve(), ours.target, *ours.settings.items())
        if one in seen:
            raise UsageError(
                f"{ours.bundle} on target {ours.target} is given twice; expected each of our sides once.",
                remedy="Leave one out, or give it another target or setting.",
            )
        seen.add(one)
    engines = [_denoiser(ours) for ours in sides]
    meant: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    for ours, engine in zip(sides, engines, strict=True):
        for title in _titles(ours, engine):
            meant[title, engine.precision].add((ours.bundle, ours.target))
    return [
        Contender(
            name=LATENTLINK,
            precision=engine.precision,
            side=replace(OURS, title=next(t for t in _titles(ours, engine) if len(meant[t, engine.precision]) == 1)),
            ours=ours,
            denoiser=engine.target,
        )
        for ours, engine in zip(sides, engines, strict=True)
    ]


def _denoiser(ours: OurSide) -> EngineEntry:
    """The engine that runs a bundle's denoiser here; its other components are checked for having an engine too."""
    decide(ours.bundle, target=ours.target)
    source = Bundle.open(bundle_path(ours.bundle), check_files=False)
    if "denoiser" not in source.manifest.components:
        raise UsageError(f"{ours.bundle} has no denoiser; expected a bundle that draws pictures.")
    return choose(ComponentSource(component="denoiser", name=ours.bundle, bundle=source), ours.target)[0]


def _titles(ours: OurSide, engine: EngineEntry) -> list[str]:
    return [form.format(denoiser=engine.target, bundle=ours.bundle, target=ours.target) for form in TITLES]


def other_contenders(names: str, first: Contender) -> list[Contender]:
    """Sides from a list of names, each with `:PRECISION` if not its default: `diffusers:bfloat16,optimum`.

    Args:
        names: Names, separated by commas.
        first: Our first side, whose bundle the native runtime draws with.

    Raises:
        UsageError: A name or a precision is unknown.
    """
    contenders = []
    for word in names.split(","):
        name, _, wanted = word.strip().partition(":")
        if name not in SIDES:
            raise UsageError(f"Unknown side {name!r}; expected some of: {', '.join(SIDES)}.")
        precisions = (first.precision,) if name == NATIVE else SIDES[name].precisions
        chosen = wanted or precisions[0]
        if chosen not in precisions:
            raise UsageError(f"{name} computes in {' or '.join(precisions)} here, but received {chosen!r}.")
        contender = Contender(name=name, precision=chosen, side=SIDES[name])
        if name == NATIVE:
            side = replace(contender.side, title=f"{contender.side.title} {first.denoiser}")
            contender = replace(contender, side=side, ours=first.ours, denoiser=first.denoiser)
        contenders.append(contender)
    return contenders
