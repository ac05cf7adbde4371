"""What a choice costs in pictures: a bundle's own with it and without, or beside those of another bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from latentlink.calibration.accuracy import Judge, judged
from latentlink.calibration.quality import pictures_of, quality_of
from latentlink.engine.gate import Quality
from latentlink.engine.manifest import EngineEntry, Manifest, StepCache
from latentlink.errors import UsageError
from latentlink.runtime import Pipeline

COUNT = 32
"""Pictures that are compared where nothing is said."""

OnDone = Callable[[int, int], object]
"""Called with (pictures drawn, pictures to draw)."""


def measure_step_cache(
    pipe: Pipeline,
    prompts: Sequence[str],
    every: int,
    *,
    count: int = COUNT,
    steps: int | None = None,
    seed: int = 0,
    judge: Judge | None = None,
    on_done: OnDone = lambda done, total: None,
) -> StepCache:
    """Draw pictures with the step cache and without.

    Args:
        pipe: The bundle; its own sampler, guidance and size are used.
        prompts: What its users would ask for. Picture n takes prompt n, beginning again after the last, and the noise
            of `seed + n`.
        every: The whole denoiser runs on every so many steps, at least 2.
        count: Pictures.
        steps: Denoising steps; None takes the bundle's default.
        seed: Of the first picture.
        judge: Says whether pictures show their prompts; None where nobody can.
        on_done: Called after each picture.

    Raises:
        UsageError: The bundle has no shallow denoiser that runs here, or there is nothing to compare.
    """
    if every < 2:
        raise UsageError(f"Received step_cache {every}; expected at least 2, as 1 is none.")
    sides = ((pipe, 1), (pipe, every))
    quality = _compared(sides, prompts, count=count, steps=steps, seed=seed, judge=judge, on_done=on_done)
    return StepCache(every=every, steps=pipe.sampling.steps if steps is None else steps, quality=quality)


def measure_beside(
    pipe: Pipeline,
    reference: Pipeline,
    prompts: Sequence[str],
    *,
    count: int = COUNT,
    steps: int | None = None,
    seed: int = 0,
    judge: Judge | None = None,
    on_done: OnDone = lambda done, total: None,
) -> Quality:
    """Draw pictures with two bundles of one model, such as one in half precision and one in float32.

    Args:
        pipe: The bundle that is measured.
        reference: What it is measured by.

    The others are those of `measure_step_cache`.

    Raises:
        UsageError: They write different latent spaces, or have other defaults, or there is nothing to compare.
    """
    a, b = (replace(one.sampling, ranges=(), step_cache=None) for one in (pipe, reference))
    if pipe.space != reference.space or a != b:
        raise UsageError(
            f"{pipe.name} and {reference.name} differ in their latent space or in their defaults; expected two bundles "
            "of one model.",
            remedy="Build both from one export.",
        )
    sides = ((reference, 1), (pipe, 1))
    return _compared(sides, prompts, count=count, steps=steps, seed=seed, judge=judge, on_done=on_done)


def with_quality(manifest: Manifest, component: str, engine: EngineEntry, quality: Quality) -> Manifest:
    """The manifest with an engine's figures among those it has.

    Raises:
        UsageError: The engine was never run on its probes, so that it has none.
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


def _compared(
    sides: Sequence[tuple[Pipeline, int]],
    prompts: Sequence[str],
    *,
    count: int,
    steps: int | None,
    seed: int,
    judge: Judge | None,
    on_done: OnDone,
) -> Quality:
    """How the pictures of the second side compare with those of the first; each is a bundle and a step cache."""
    if count < 1 or not prompts:
        raise UsageError(f"Received {count} pictures of {len(prompts)} prompts; expected at least one of each.")
    asked = [prompts[number % len(prompts)] for number in range(count)]
    made = []
    for turn, (pipe, every) in enumerate(sides):

        def drawn(done: int, before: int = turn * count) -> None:
            on_done(before + done, len(sides) * count)

        made.append(pictures_of(pipe, asked, seed=seed, steps=steps, step_cache=every, on_done=drawn))
    quality = quality_of(*made)
    if judge is None:
        return quality
    reference, right = (judge.count(pipe, steps=steps, step_cache=every) for pipe, every in sides)
    return judged(quality, judge, reference=reference, right=right)
