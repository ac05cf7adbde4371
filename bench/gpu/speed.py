"""Speed at true size with random weights: every target and diffusers in one process, with interleaved runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import latentlink
from latentlink.bench.cost import Spread, count_flops, run_in_new_process
from latentlink.bench.gpu.diffusers import GUIDANCE, PROMPT, DiffusersSystem, Timing, compile_denoiser, open_eager
from latentlink.bench.gpu.findings import OURS, SizedModel, Speed
from latentlink.bench.gpu.material import Material
from latentlink.bench.gpu.memory import DeviceMemory
from latentlink.bench.gpu.tables import COMPILED, EAGER
from latentlink.engine.bundle import Bundle
from latentlink.engine.sizes import PictureSizes, limits_of
from latentlink.errors import LatentLinkError

WORKS = tuple(
    SizedModel(model=model, width=side, height=side, batch=batch)
    for model, side in (("sd15", 512), ("sdxl", 1024))
    for batch in (1, 4)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """Effort of each measurement.

    Args:
        steps: Denoising steps of a generation, at least 2.
        rounds: Number of counted generations of every side.
        mode: Mode of torch.compile.
    """

    steps: int = 20
    rounds: int = 5
    mode: str = "max-autotune"


class System(Protocol):
    """A system that is ready to draw."""

    def run(self, seed: int) -> Timing:
        """Draw once."""
        ...


class OurSystem:
    """LatentLink with an open bundle for one target.

    Args:
        pipe: The open bundle.
        work: Model and size.
        steps: Denoising steps.
    """

    def __init__(self, pipe: latentlink.Pipeline, work: SizedModel, steps: int) -> None:
        self._pipe = pipe
        self._work = work
        self._steps = steps

    def run(self, seed: int) -> Timing:
        """Draw once. The time of steps includes the upload of the noise and the copy of the latents back."""
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
        return Timing(step=timings["denoiser"] / self._steps, total=timings["total"])


@dataclass(slots=True, kw_only=True)
class Measurement:
    """A side and its measurements so far.

    Args:
        name: Name of the side.
        side: The system, or None if it is not ready.
        reason: Why it is not ready.
        failed: Whether that counts as a failure of LatentLink.
        peak_mb: Peak device memory of getting ready, including the first generations.
        times: Times of the counted generations.
    """

    name: str
    side: System | None = None
    reason: str = ""
    failed: bool = False
    peak_mb: float | None = None
    times: list[Timing] = field(default_factory=list)

    def get_ready(self, make: Callable[[], System]) -> None:
        """Open the side and warm it up: CUDA graphs are captured in the second run."""

        def ready() -> None:
            side = make()
            for seed in range(2):
                side.run(seed)
            self.side = side

        with self._recording_failure():
            self.peak_mb = DeviceMemory().peak(ready) / 1e6

    def run(self, seed: int) -> None:
        """Draw once and record the times, if the side is ready."""
        if self.side is not None:
            with self._recording_failure():
                self.times.append(self.side.run(seed))

    @contextmanager
    def _recording_failure(self) -> Iterator[None]:
        """Record an error as the reason, so that other sides go on."""
        try:
            yield
        except Exception as error:  # every library has its own errors, such as torch.compile without a compiler
            message = str(error) if isinstance(error, LatentLinkError) else f"{type(error).__name__}: {error}"
            self.reason = " ".join(message.split())[:500]
            # a failure of another system, or too little memory for all of them, is not a failure of LatentLink
            self.failed = self.name.startswith(OURS) and not isinstance(error, MemoryError)
            self.side, self.times = None, []

    def speed(self, work: SizedModel) -> Speed:
        """The speed, or why it was not measured."""
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


def interleave(sides: Sequence[Measurement], rounds: int) -> None:
    """Run every ready side in turn, `rounds` times, so that changes over time affect all."""
    for number in range(rounds):
        for measuring in sides:
            measuring.run(number)


def measure_systems(work: SizedModel, targets: Mapping[str, Path], checkpoint: Path, effort: Effort) -> list[Speed]:
    """Measure all sides for one model and size. Only one target is open at a time, in turns with diffusers.

    Args:
        work: Model and size.
        targets: Bundle by target.
        checkpoint: Checkpoint that they were made from.
        effort: Effort of the measurement.
    """
    plain, fast = Measurement(name=EAGER), Measurement(name=COMPILED)
    plain.get_ready(lambda: open_eager(checkpoint, work, effort.steps))
    if isinstance(plain.side, DiffusersSystem):
        fast.get_ready(partial(compile_denoiser, plain.side, work, effort.steps, effort.mode))
        fast.peak_mb = None  # it shares weights with the eager pipeline
    else:
        fast.reason = plain.reason
    found = []
    for target, bundle in targets.items():
        ours = Measurement(name=f"{OURS} {target}")
        with ExitStack() as stack:
            ours.get_ready(partial(_open, stack, bundle, target, work, effort.steps))
            interleave([ours, plain, fast], effort.rounds)
            ours.side = None
        found.append(ours)
    if not targets:
        interleave([plain, fast], effort.rounds)
    return [measuring.speed(work) for measuring in (*found, plain, fast)]


def _open(stack: ExitStack, bundle: Path, target: str, work: SizedModel, steps: int) -> OurSystem:
    return OurSystem(stack.enter_context(latentlink.load(bundle, target=target)), work, steps)


def tflop_of(work: SizedModel, export: Path) -> float:
    """10^12 operations of one denoising step with guidance, from the exported graph.

    Args:
        work: Size and batch.
        export: Export of the model.
    """
    source = Bundle.open(export)
    fixed = {name: (size, size, size) for name, size in (("width", work.width), ("height", work.height))}
    shapes = PictureSizes(**fixed, batch=(work.batch, work.batch, work.batch))
    limits = limits_of(source.manifest, "denoiser", shapes, every=True)
    graph = source.file(source.manifest.components["denoiser"].engines[0].path)
    return sum(count_flops(graph, {name: best for name, (_, best, _) in limits.items()}).values()) / 1e12


def run_speeds(
    works: Sequence[SizedModel], targets: Mapping[str, str], material: Material, effort: Effort, peak: float | None
) -> Iterator[Speed]:
    """Measure every model and size, each in its own process.

    Args:
        works: Models and sizes, in order.
        targets: By target, why it cannot be built and run here; empty if it can.
        material: Source of checkpoints, exports and bundles.
        effort: Effort of the measurements.
        peak: Matrix-product peak in TFLOP/s, if known.
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


def _measured(work: SizedModel, bundles: Mapping[str, Path], checkpoint: Path, effort: Effort) -> list[Speed]:
    """`measure_systems` in a process of its own; if that dies, each target alone, to find the one that failed."""
    try:
        return run_in_new_process(measure_systems, work, bundles, checkpoint, effort)
    except LatentLinkError as error:
        if len(bundles) > 1:
            alone = ({target: bundle} for target, bundle in bundles.items())
            return [speed for one in alone for speed in _measured(work, one, checkpoint, effort)]
        return [_idle(work, target, str(error), failed=True) for target in bundles]


def _idle(work: SizedModel, target: str, reason: str, *, failed: bool = False) -> Speed:
    return Speed(work=work, side=f"{OURS} {target}", verdict="failed" if failed else "not run", reason=reason)
