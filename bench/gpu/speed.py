"""Speed at true size with random weights: every target beside diffusers, in one process, their runs interleaved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import latentlink
from latentlink.bench.cost.flops import count_flops
from latentlink.bench.cost.fresh import ProcessFailed, fresh
from latentlink.bench.cost.measure import Spread
from latentlink.bench.gpu.diffusers import GUIDANCE, PROMPT, Theirs, Timed, compiled, eager
from latentlink.bench.gpu.material import Material
from latentlink.bench.gpu.memory import DeviceMemory
from latentlink.bench.gpu.report import OURS, Speed, Work
from latentlink.bench.gpu.tables import COMPILED, EAGER
from latentlink.engine.bundle import Bundle
from latentlink.engine.sizes import PictureSizes, limits_of
from latentlink.errors import LatentLinkError

WORKS = tuple(
    Work(model=model, width=side, height=side, batch=batch)
    for model, side in (("sd15", 512), ("sdxl", 1024))
    for batch in (1, 4)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is done of each piece of work.

    Args:
        steps: Denoising steps of a generation, two or more.
        rounds: Counted generations of every side.
        mode: Of torch.compile.
    """

    steps: int = 20
    rounds: int = 5
    mode: str = "max-autotune"


class Side(Protocol):
    """A system that is ready to do a piece of work."""

    def run(self, seed: int) -> Timed:
        """Do it once."""
        ...


class Ours:
    """A bundle of one target, open.

    Args:
        pipe: The bundle.
        work: What it makes.
        steps: Denoising steps.
    """

    def __init__(self, pipe: latentlink.Pipeline, work: Work, steps: int) -> None:
        self._pipe = pipe
        self._work = work
        self._steps = steps

    def run(self, seed: int) -> Timed:
        """Make the pictures once. The steps are timed with all that is around them: the upload of the noise, the copy
        of the latents back."""
        timings = self._pipe.generate(
            PROMPT,
            seed=seed,
            steps=self._steps,
            guidance=GUIDANCE,
            sampler="ddim",
            width=self._work.width,
            height=self._work.height,
            num_images=self._work.batch,
            guard="off",  # random weights draw noise
        ).timings
        return Timed(step=timings["denoiser"] / self._steps, total=timings["total"])


@dataclass(slots=True, kw_only=True)
class Measuring:
    """A side and what was measured of it so far.

    Args:
        name: Of the side.
        side: Ready, or None where it is not.
        reason: Why it is not.
        failed: Whether that is a fault of what is measured.
        peak_mb: Device memory that getting ready took, its first generation included.
        times: Of the counted generations.
    """

    name: str
    side: Side | None = None
    reason: str = ""
    failed: bool = False
    peak_mb: float | None = None
    times: list[Timed] = field(default_factory=list)

    def get_ready(self, make: Callable[[], Side]) -> None:
        """Make the side, and let it warm up: CUDA graphs are captured in its second run."""

        def ready() -> None:
            side = make()
            for seed in range(2):
                side.run(seed)
            self.side = side

        with self._told():
            self.peak_mb = DeviceMemory().peak(ready) / 1e6

    def run(self, seed: int) -> None:
        """Do the work once and note its times, if the side is ready."""
        if self.side is not None:
            with self._told():
                self.times.append(self.side.run(seed))

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Keep what goes wrong as the reason, and the others running."""
        try:
            yield
        except Exception as error:  # torch.compile without a compiler, for one: every library has errors of its own
            said = str(error) if isinstance(error, LatentLinkError) else f"{type(error).__name__}: {error}"
            self.reason = " ".join(said.split())[:500]
            # that another system fails, or that all do not fit the memory together, is no fault of what is measured
            self.failed = self.name.startswith(OURS) and not isinstance(error, MemoryError)
            self.side, self.times = None, []

    def speed(self, work: Work) -> Speed:
        """What was found."""
        head = Speed(work=work, side=self.name, verdict="not run", reason=self.reason)
        if not self.times:
            return replace(head, verdict="failed" if self.failed else "not run")
        return replace(
            head,
            verdict="passed",
            reason="",
            step=Spread.of([timed.step for timed in self.times]),
            total=Spread.of([timed.total for timed in self.times]),
            peak_mb=self.peak_mb,
        )


def interleave(sides: Sequence[Measuring], rounds: int) -> None:
    """Let every side that is ready run in turn, `rounds` times: what changes with time changes for all."""
    for number in range(rounds):
        for measuring in sides:
            measuring.run(number)


def measure(work: Work, targets: Mapping[str, Path], checkpoint: Path, effort: Effort) -> list[Speed]:
    """All sides on one piece of work. A target is open alone, beside diffusers, which runs in turn with each.

    Args:
        work: What they do.
        targets: Bundle of each target.
        checkpoint: That they were made from.
        effort: How much.
    """
    plain, fast = Measuring(name=EAGER), Measuring(name=COMPILED)
    plain.get_ready(lambda: eager(checkpoint, work, effort.steps))
    if isinstance(plain.side, Theirs):
        fast.get_ready(partial(compiled, plain.side, work, effort.steps, effort.mode))
        fast.peak_mb = None  # it shares its weights with the other
    else:
        fast.reason = plain.reason
    found = []
    for target, bundle in targets.items():
        ours = Measuring(name=f"{OURS} {target}")
        with ExitStack() as stack:
            ours.get_ready(partial(_opened, stack, bundle, target, work, effort.steps))
            interleave([ours, plain, fast], effort.rounds)
            ours.side = None
        found.append(ours)
    if not targets:
        interleave([plain, fast], effort.rounds)
    return [measuring.speed(work) for measuring in (*found, plain, fast)]


def _opened(stack: ExitStack, bundle: Path, target: str, work: Work, steps: int) -> Ours:
    return Ours(stack.enter_context(latentlink.load(bundle, target=target)), work, steps)


def tflop_of(work: Work, export: Path) -> float:
    """10^12 operations of one denoising step with guidance, by the exported graph.

    Args:
        work: Its size and batch.
        export: Of its model.
    """
    source = Bundle.open(export)
    fixed = {name: (size, size, size) for name, size in (("width", work.width), ("height", work.height))}
    shapes = PictureSizes(**fixed, batch=(work.batch, work.batch, work.batch))
    limits = limits_of(source.manifest, "denoiser", shapes, every=True)
    graph = source.file(source.manifest.components["denoiser"].engines[0].path)
    return sum(count_flops(graph, {name: best for name, (_, best, _) in limits.items()}).values()) / 1e12


def run_speeds(
    works: Sequence[Work], targets: Mapping[str, str], material: Material, effort: Effort, peak: float | None
) -> Iterator[Speed]:
    """Every piece of work, each in a process of its own.

    Args:
        works: In this order.
        targets: Why each cannot be built and run here; empty where it can.
        material: Where checkpoints, exports and bundles come from.
        effort: How much.
        peak: The matrix-product peak in TFLOP/s, if it is known.
    """
    for work in works:
        try:
            export, checkpoint = material.export(work.model), material.checkpoint(work.model)
            tflop = tflop_of(work, export)
        except (LatentLinkError, ImportError) as error:
            yield from (_idle(work, target, f"No export: {error}", failed=True) for target in targets)
            continue
        bundles, skipped = {}, []
        for target, why_not in targets.items():
            try:
                if why_not:
                    skipped.append(_idle(work, target, why_not))
                else:
                    bundles[target] = material.bundle_of(work, target)
            except LatentLinkError as error:
                skipped.append(_idle(work, target, str(error), failed=True))
        for speed in (*_measured(work, bundles, checkpoint, effort), *skipped):
            share = None if speed.step is None or peak is None else tflop / speed.step.median / peak
            yield replace(speed, tflop=tflop, share=share)
        for bundle in bundles.values():
            material.drop(bundle)


def _measured(work: Work, bundles: Mapping[str, Path], checkpoint: Path, effort: Effort) -> list[Speed]:
    """`measure` in a process of its own; where that dies, once more for each target alone, to tell which it was."""
    try:
        return fresh(measure, work, bundles, checkpoint, effort)
    except ProcessFailed as error:
        if len(bundles) > 1:
            alone = ({target: bundle} for target, bundle in bundles.items())
            return [speed for one in alone for speed in _measured(work, one, checkpoint, effort)]
        return [_idle(work, target, str(error), failed=True) for target in bundles]


def _idle(work: Work, target: str, reason: str, *, failed: bool = False) -> Speed:
    return Speed(work=work, side=f"{OURS} {target}", verdict="failed" if failed else "not run", reason=reason)
