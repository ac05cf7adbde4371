"""Compare pictures: a bundle's with the step cache and without, or those of two bundles of one model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from latentlink.calibration.judge import Judge
from latentlink.calibration.picture_quality import pictures_of, quality_of
from latentlink.checks import whole
from latentlink.engine.bundle import EngineEntry, Manifest, StepCache
from latentlink.engine.quality import Quality
from latentlink.errors import UsageError
from latentlink.options import MAX_STEPS
from latentlink.runtime import Pipeline
from latentlink.runtime.request import check_sample

COUNT = 32
"""Default number of pictures to compare."""

OnDone = Callable[[int, int], object]
"""Called after each picture with (pictures done, pictures in all)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonOptions:
    """What both sides generate; sampler, guidance and size are the model's defaults.

    Args:
        prompts: Prompts typical of the model's users. Picture n takes prompt n, modulo their number, and seed
            `seed + n`.
        count: Number of pictures.
        steps: Denoising steps; None for the model's default.
        seed: Seed of the first picture.
        judge: Checks pictures against their prompts; None for no such check.

    Raises:
        UsageError: An option is not of its type or out of range, or there is no prompt.
    """

    prompts: Sequence[str]
    count: int = COUNT
    steps: int | None = None
    seed: int = 0
    judge: Judge | None = None

    def __post_init__(self) -> None:
        check_sample(self.prompts, self.count, self.steps, self.seed)


def measure_step_cache(
    pipe: Pipeline, every: int, options: ComparisonOptions, on_done: OnDone = lambda done, total: None
) -> StepCache:
    """Measure what the step cache costs in quality.

    Args:
        pipe: The bundle.
        every: The whole denoiser runs once in this many steps, at least 2.
        options: What to generate.
        on_done: Called to show progress.

    Raises:
        UsageError: The bundle has no shallow denoiser that runs here, or `every` is below 2.
    """
    if whole("step_cache", every, 1, MAX_STEPS) < 2:
        raise UsageError(f"Received step_cache {every}; expected at least 2, as 1 is no cache.")
    quality = _compare(((pipe, 1), (pipe, every)), options, on_done)
    return StepCache(
        every=every, steps=pipe.sampling.steps if options.steps is None else options.steps, quality=quality
    )


def measure_beside(
    pipe: Pipeline, reference: Pipeline, options: ComparisonOptions, on_done: OnDone = lambda done, total: None
) -> Quality:
    """Compare the pictures of two bundles of one model, such as one in half precision with one in float32.

    Args:
        pipe: The bundle to measure.
        reference: The bundle to compare it with.
        options: What to generate.
        on_done: Called to show progress.

    Raises:
        UsageError: Their latent spaces or their defaults differ.
    """
    a, b = (replace(one.sampling, ranges=(), step_cache=None) for one in (pipe, reference))
    if pipe.space != reference.space or a != b:
        raise UsageError(
            f"{pipe.name} and {reference.name} differ in their latent space or in their defaults; expected two bundles "
            "of one model.",
            remedy="Build both from one export.",
        )
    return _compare(((reference, 1), (pipe, 1)), options, on_done)


def with_quality(manifest: Manifest, component: str, engine: EngineEntry, quality: Quality) -> Manifest:
    """The manifest with these figures added to those of an engine.

    Raises:
        UsageError: The engine has no figures, as its probes were never run.
    """
    if engine.parity is None:
        raise UsageError(
            f"The {engine.target} engine of {component} was built where it could not run, and has no figures yet.",
            remedy="Build the bundle again on this machine: latentlink build EXPORTED BUNDLE.",
        )
    entry = manifest.components[component]
    measured = replace(engine, parity={**engine.parity, **quality.to_parity()})
    engines = tuple(measured if one == engine else one for one in entry.engines)
    return replace(manifest, components={**manifest.components, component: replace(entry, engines=engines)})


def _compare(sides: Sequence[tuple[Pipeline, int]], options: ComparisonOptions, on_done: OnDone) -> Quality:
    """Compare the second side with the first one; a side is a bundle and a step cache."""
    prompts = [options.prompts[number % len(options.prompts)] for number in range(options.count)]
    results = []
    for turn, (pipe, every) in enumerate(sides):

        def tell(done: int, before: int = turn * options.count) -> None:
            on_done(before + done, len(sides) * options.count)

        results.append(
            pictures_of(pipe, prompts, seed=options.seed, steps=options.steps, step_cache=every, on_done=tell)
        )
    quality = quality_of(*results)
    if options.judge is None:
        return quality
    reference, right = (options.judge.count(pipe, steps=options.steps, step_cache=every) for pipe, every in sides)
    return options.judge.with_counts(quality, reference=reference, right=right)
