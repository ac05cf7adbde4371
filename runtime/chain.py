"""Several models in a row: each goes on from what the one before it made."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from latentlink.errors import LatentLinkError, UsageError
from latentlink.runtime.denoising import OnStep
from latentlink.runtime.latents import Latents
from latentlink.runtime.pipeline import Pipeline, Result
from latentlink.runtime.request import prompts, seeds, whole
from latentlink.runtime.request.resolved import MAX_BATCH
from latentlink.runtime.transfer import Size, transfer

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stage:
    """One model's part of a chain. Everything but the pipeline is an argument of its `generate`; None says nothing.

    Args:
        pipeline: The model.
        prompt: What to draw here; None takes the chain's prompt.
        negative_prompt: Likewise.
        seed: None takes the chain's seed, raised by one a stage.
        strength: How far the picture of the stage before is noised again, 0 to 1.
        width: Picture width in pixels; after the first stage, the picture is resampled to it on its way here.
        height: Likewise.
        denoising_start: In the place of `strength`, where the stage before stopped half way, in the same space.
        denoising_end: Where to stop half way for the stage after.

    The others are those of `Pipeline.generate`.
    """

    pipeline: Pipeline
    prompt: str | Sequence[str] | None = None
    negative_prompt: str | Sequence[str] | None = None
    seed: int | Sequence[int] | None = None
    strength: float | None = None
    steps: int | None = None
    guidance: float | None = None
    guidance_interval: tuple[float, float] | None = None
    step_cache: int | None = None
    sampler: str | None = None
    spacing: str | None = None
    sigmas: str | None = None
    shift: float | None = None
    eta: float | None = None
    width: int | None = None
    height: int | None = None
    denoising_start: float | None = None
    denoising_end: float | None = None
    conditions: Mapping[str, float | Sequence[float]] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.pipeline, Pipeline):
            raise UsageError(
                f"Received {type(self.pipeline).__name__} for the pipeline of a stage; expected what "
                "latentlink.load returns."
            )

    def options(self) -> dict[str, Any]:
        """What was said, as arguments of `generate`."""
        said = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "pipeline"}
        return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """How the latents came from one stage to the next.

    Args:
        kind: `direct` where they were handed over as they are, `transfer` where they were decoded and encoded again.
        source: Name of the bundle that made them.
        destination: Name of the bundle that goes on from them.
        spaces: Names of their latent spaces.
        psnr: Round-trip loss of a transfer in dB, see `Transferred`.
        resized: The pictures' size before and after, where it changed.
    """

    kind: Literal["direct", "transfer"]
    source: str
    destination: str
    spaces: tuple[str, str]
    psnr: float | None = None
    resized: tuple[Size, Size] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chained:
    """What `chain` made.

    Args:
        stages: What every stage made; only the last one has pictures, unless they were to be kept.
        hops: What happened between them, one fewer.
    """

    stages: tuple[Result, ...]
    hops: tuple[Hop, ...]

    @property
    def images(self) -> list[Image]:
        """The last stage's pictures."""
        return self.stages[-1].images

    @property
    def latents(self) -> Latents:
        """The last stage's latents."""
        return self.stages[-1].latents


def chain(
    prompt: str | Sequence[str],
    stages: Sequence[Stage],
    *,
    negative_prompt: str | Sequence[str] | None = None,
    seed: int | Sequence[int] | None = None,
    num_images: int = 1,
    noise: str = "torch",
    init_image: Image | Sequence[Image] | None = None,
    fit: bool = False,
    keep: bool = False,
    guard: str = "on",
    on_step: OnStep | None = None,
) -> Chained:
    """Draw with the first stage, and refine with each of the others what the one before it made.

    Between two models of one latent space the latents are handed over as they are; between two spaces, or where the
    size changes, they are decoded and encoded again (see `transfer`).

    Args:
        prompt: As of `Pipeline.generate`; of every stage that has none of its own.
        stages: In their order. All but the first have a `strength`, or a `denoising_start` where the stage before has
            a `denoising_end`.
        negative_prompt: Of every stage that has none of its own.
        seed: Of the first stage; each stage after it takes one more, because the same noise a second time would
            deepen what it drew. None takes a random one.
        num_images: Pictures a prompt.
        noise: `torch` or `philox`.
        init_image: Picture that the first stage starts from.
        fit: Let a transfer take the nearest size that the next model takes.
        keep: Decode the pictures of every stage, not only of the last one.
        guard: As in `Pipeline.generate`, of every stage and transfer.
        on_step: Called after every row of every stage; returning False cancels.

    Raises:
        UsageError: The stages do not go together, which is told before any runs; or an argument of one of them is not
            what its model takes.
        GuardError: As in `Pipeline.generate`.
        Cancelled: `on_step` said so.
    """
    _check(stages, from_picture=init_image is not None)
    count = len(prompts("prompt", prompt)) * whole("num_images", num_images, 1, MAX_BATCH)
    first = seeds(secrets.randbits(32) if seed is None else seed, count)
    results: list[Result] = []
    hops: list[Hop] = []
    for number, stage in enumerate(stages):
        last = number == len(stages) - 1
        options: dict[str, Any] = {"prompt": prompt, "negative_prompt": negative_prompt, "seed": _later(first, number)}
        options |= stage.options()
        try:
            if number == 0:
                options |= {"init_image": init_image}
            else:
                moved, hop = _moved(results[-1].latents, stages[number - 1], stage, fit, guard)
                hops.append(hop)
                options |= {"init_latents": moved, "width": None, "height": None}  # the latents have the size
            made = stage.pipeline.generate(
                **options, num_images=num_images, noise=noise, decode=keep or last, guard=guard, on_step=on_step
            )
        except LatentLinkError as error:
            error.args = (f"Stage {number + 1} ({stage.pipeline.name}): {error}",)
            raise
        results.append(made)
    return Chained(stages=tuple(results), hops=tuple(hops))


def _moved(latents: Latents, before: Stage, after: Stage, fit: bool, guard: str) -> tuple[Latents, Hop]:
    source, destination = before.pipeline, after.pipeline
    moved = transfer(
        latents,
        source=source,
        destination=destination,
        width=after.width,
        height=after.height,
        fit=fit,
        guard=guard,
    )
    return moved.latents, Hop(
        kind="direct" if moved.direct else "transfer",
        source=source.name,
        destination=destination.name,
        spaces=(source.space.name, destination.space.name),
        psnr=None if moved.direct else moved.psnr,
        resized=moved.resized,
    )


def _later(first: int | tuple[int, ...], number: int) -> int | list[int]:
    """The seeds of the stage of this number: each raised by it, and within 64 bits."""
    if isinstance(first, int):
        return first + number if first + number < 2**64 else number - 1
    return [seed + number if seed + number < 2**64 else number - 1 for seed in first]


def _check(stages: Sequence[Stage], *, from_picture: bool) -> None:
    """Refuse stages that cannot follow each other, before any of them runs."""
    if not isinstance(stages, list | tuple) or not stages or not all(isinstance(one, Stage) for one in stages):
        raise UsageError("Received no stages; expected a list of latentlink.Stage, at least one.")
    first = stages[0]
    if first.denoising_start is not None or (first.strength is not None and not from_picture):
        what = "strength" if first.denoising_start is None else "denoising_start"
        raise UsageError(
            f"Stage 1 ({first.pipeline.name}) has a {what}, but nothing to go on from.",
            remedy="Leave it out: only the stages after the first have one"
            + (", or give init_image (--init-image)." if what == "strength" else "."),
        )
    for number, (before, after) in enumerate(pairwise(stages), 2):
        title = f"Stage {number} ({after.pipeline.name})"
        half_way = before.denoising_end is not None
        if half_way is not (after.denoising_start is not None):
            raise UsageError(
                f"Stage {number - 1} ({before.pipeline.name}) "
                f"{'stops' if half_way else 'does not stop'} half way, and stage {number} ({after.pipeline.name}) "
                f"{'does not go' if half_way else 'goes'} on from there.",
                remedy="Give the one a denoising_end and the other an equal denoising_start, or neither.",
            )
        if half_way and before.pipeline.space != after.pipeline.space:
            raise UsageError(
                f"{title} goes on from latents that are half way, but they are of another latent space: "
                f'"{before.pipeline.space.name}", and not "{after.pipeline.space.name}".',
                remedy="Finish them first: leave denoising_end out, and give the next stage a strength.",
            )
        if (after.strength is None) is (after.denoising_start is None):
            said = "no strength" if after.strength is None else "a strength and a denoising_start"
            raise UsageError(
                f"{title} has {said}; expected how far to noise the picture before it, 0 to 1.",
                remedy="Give it one, such as strength=0.4.",
            )
        encoder = "vae_encoder" in {engine.component for engine in after.pipeline.engines}
        if before.pipeline.space != after.pipeline.space and not encoder:
            raise UsageError(f"{title} has no vae_encoder to read the picture of another model with.")
