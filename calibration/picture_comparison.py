"""What a choice costs in pictures: a bundle's own with it and without, or beside those of another bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from latentlink.calibration.judge import Judge
from latentlink.calibration.picture_quality import pictures_of, quality_of
from latentlink.engine.bundle import EngineEntry, Manifest, StepCache
from latentlink.engine.quality import Quality
from latentlink.errors import UsageError
from latentlink.runtime import Pipeline

COUNT = 32
"""Pictures that are compared where nothing is said."""

OnDone = Callable[[int, int], object]
"""Called with (pictures drawn, pictures to draw), after each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonOptions:
    """What both sides of a comparison draw, with their model's own sampler, guidance and size.

    Args:
        prompts: What its users would ask for. Picture n takes prompt n, beginning again after the last, and the noise
            of `seed + n`.
        count: Pictures.
        steps: Denoising steps; None takes the model's own.
        seed: Of the first picture.
        judge: Says whether pictures show their prompts; None where nobody can.

    Raises:
        UsageError: There is nothing to draw.
    """

    prompts: Sequence[str]
    count: int = COUNT
    steps: int | None = None
    seed: int = 0
    judge: Judge | None = None

    def __post_init__(self) -> None:
        if self.count < 1 or not self.prompts:
            raise UsageError(
                f"Received {self.count} pictures of {len(self.prompts)} prompts; expected at least one of each."
            )


def measure_step_cache(
    pipe: Pipeline, every: int, options: ComparisonOptions, on_done: OnDone = lambda done, total: None
) -> StepCache:
    """Draw pictures with the step cache and without.

    Args:
        pipe: The bundle.
        every: The whole denoiser runs on every so many steps, at least 2.
        drawn: What is drawn.
        on_done: Told how far it is.

    Raises:
        UsageError: The bundle has no shallow denoiser that runs here, or `every` is none.
    """
    if every < 2:
        raise UsageError(f"Received step_cache {every}; expected at least 2, as 1 is none.")
    quality = _compared(((pipe, 1), (pipe, every)), options, on_done)
    return StepCache(
        every=every, steps=pipe.sampling.steps if options.steps is None else options.steps, quality=quality
    )


def measure_beside(
    pipe: Pipeline, reference: Pipeline, options: ComparisonOptions, on_done: OnDone = lambda done, total: None
) -> Quality:
    """Draw pictures with two bundles of one model, such as one in half precision and one in float32.

    Args:
        pipe: The bundle that is measured.
        reference: What it is measured by.
        drawn: What is drawn.
        on_done: Told how far it is.

    Raises:
        UsageError: They write different latent spaces, or have other defaults.
    """
    a, b = (replace(one.sampling, ranges=(), step_cache=None) for one in (pipe, reference))
    if pipe.space != reference.space or a != b:
        raise UsageError(
            f"{pipe.name} and {reference.name} differ in their latent space or in their defaults; expected two bundles "
            "of one model.",
            remedy="Build both from one export.",
        )
    return _compared(((reference, 1), (pipe, 1)), options, on_done)


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


def _compared(sides: Sequence[tuple[Pipeline, int]], options: ComparisonOptions, on_done: OnDone) -> Quality:
    """How the pictures of the second side compare with those of the first; each is a bundle and a step cache."""
    asked = [options.prompts[number % len(options.prompts)] for number in range(options.count)]
    made = []
    for turn, (pipe, every) in enumerate(sides):

        def tell(done: int, before: int = turn * options.count) -> None:
            on_done(before + done, len(sides) * options.count)

        made.append(pictures_of(pipe, asked, seed=options.seed, steps=options.steps, step_cache=every, on_done=tell))
    quality = quality_of(*made)
    if options.judge is None:
        return quality
    reference, right = (options.judge.count(pipe, steps=options.steps, step_cache=every) for pipe, every in sides)
    return options.judge.added(quality, reference=reference, right=right)
