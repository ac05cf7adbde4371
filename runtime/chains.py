"""Chains of models: each model continues from the result of the one before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

from latentlink.checks import callback, instance, truth
from latentlink.errors import LatentLinkError, UsageError
from latentlink.options import OPTIONS, OnOff, RunOptions, StageOptions, requested, table
from latentlink.runtime.denoising import OnStep
from latentlink.runtime.picture_files import Record
from latentlink.runtime.pipeline import Pipeline
from latentlink.runtime.request import check, documented, following, prompts, seeds
from latentlink.runtime.request.latents import Latents
from latentlink.runtime.result import Result
from latentlink.runtime.transfers import Size, transfer

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True, init=False, eq=False)
class Stage:
    """One model's part of a chain.

    `prompt` and `negative_prompt` default to those of the chain, `seed` to the chain's seed plus one per stage. After
    the first stage the picture is resampled to `width` and `height`, and the stage needs either `strength` or, if the
    stage before it stopped half way in the same latent space, `denoising_start`.

    Args:
        pipeline: The model.
        options: See `StageOptions`.

    Raises:
        UsageError: `pipeline` is not a pipeline.
        TypeError: There is no such option.
    """

    pipeline: Pipeline
    options: Mapping[str, Any]

    @documented(StageOptions)
    def __init__(self, *, pipeline: Pipeline, **options: Unpack[StageOptions]) -> None:
        """Make a stage.

        Args:
            pipeline: The model.
            options: See `StageOptions`.
        """
        instance("pipeline", pipeline, Pipeline, "latentlink.load returns one.")
        object.__setattr__(self, "pipeline", pipeline)
        object.__setattr__(self, "options", requested(options, STAGE_OPTIONS, "Stage"))

    def changed(self, **options: Unpack[StageOptions]) -> Stage:
        """The same stage with other options; None removes one."""
        return Stage(**{"pipeline": self.pipeline, **self.options, **options})


STAGE_OPTIONS = table(StageOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """How the latents got from one stage to the next.

    Args:
        kind: `direct` if they were handed over unchanged, `transfer` if they were decoded and encoded again.
        source: Name of the bundle that made them.
        destination: Name of the bundle that continues from them.
        spaces: Names of the latent spaces of both.
        psnr: Round-trip loss of a transfer in dB, see `TransferResult`.
        resized: Picture size before and after, if it changed.
    """

    kind: Literal["direct", "transfer"]
    source: str
    destination: str
    spaces: tuple[str, str]
    psnr: float | None = None
    resized: tuple[Size, Size] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChainResult:
    """The result of `chain`.

    Args:
        stages: Result of every stage; only the last one has pictures, unless `keep` was set.
        hops: What happened between the stages, one fewer than there are stages.
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

    def save(self, path: str | Path, *, quality: int | None = None, metadata: bool = True) -> list[Path]:
        """Write the last stage's pictures, which say how all stages were made; see `Result.save`."""
        return self.stages[-1].save(path, quality=quality, metadata=metadata)


@documented(RunOptions)
def chain(
    prompt: str | Sequence[str],
    stages: Sequence[Stage],
    *,
    negative_prompt: str | Sequence[str] | None = None,
    seed: int | Sequence[int] | None = None,
    fit: bool = False,
    keep: bool = False,
    on_step: OnStep | None = None,
    **options: Unpack[RunOptions],
) -> ChainResult:
    """Draw with the first stage; each further stage refines the result of the one before it.

    Between two models of one latent space the latents are handed over unchanged; between two spaces, or if the size
    changes, they are decoded and encoded again (see `transfer`).

    Args:
        prompt: Prompt, as in `Pipeline.generate`, for every stage that has none of its own.
        stages: The stages in order. All but the first have a `strength`, or a `denoising_start` if the stage before
            has a `denoising_end`.
        negative_prompt: Negative prompt for every stage that has none of its own.
        seed: Seed of the first stage, as in `Pipeline.generate`; each later stage adds one, because the same noise a
            second time would amplify what it drew. None draws a random one.
        fit: Let a transfer use the nearest size that the next model accepts.
        keep: Decode the pictures of every stage, not only of the last one.
        on_step: Called after every row of every stage; returning False cancels, as does any false value but None.
        options: See `RunOptions`.

    Raises:
        UsageError: The stages do not fit together, which is checked before any of them runs; or a stage has an argument
            that its model does not accept.
        TypeError: There is no such argument.
        GuardError: As in `Pipeline.generate`.
        Cancelled: `on_step` returned a false value that is not None.
    """
    run = requested(options, table(RunOptions), "chain")
    fit, keep = truth("fit", fit), truth("keep", keep)
    callback("on_step", on_step)
    start = run.pop("init_image", None)
    _check(stages, from_picture=start is not None)
    count = len(prompts("prompt", prompt)) * check(OPTIONS["num_images"], run.get("num_images", 1))
    together = truth("batch_seed", run.get("batch_seed", False))
    first = seeds(seed, count, shared=together)
    results: list[Result] = []
    hops: list[Hop] = []
    for number, stage in enumerate(stages):
        last = number == len(stages) - 1
        own: dict[str, Any] = {
            "prompt": prompt,
            "negative_prompt": negative_prompt,
            "seed": following(first[0], number) if together else [following(one, number) for one in first],
        }
        own |= {**run, **stage.options}
        try:
            if number == 0:
                own |= {"init_image": start}
            else:
                moved, hop = _hand_over(results[-1].latents, stages[number - 1], stage, fit, run.get("guard", "on"))
                hops.append(hop)
                own |= {"init_latents": moved, "width": None, "height": None}  # the latents have the size
            made = stage.pipeline.generate(**own, decode=keep or last, on_step=on_step)
        except LatentLinkError as error:
            error.args = (f"Stage {number + 1} ({stage.pipeline.name}): {error}",)
            raise
        results.append(replace(made, records=_with_earlier(made.records, results)))
    return ChainResult(stages=tuple(results), hops=tuple(hops))


def _with_earlier(records: Sequence[Record], results: Sequence[Result]) -> tuple[Record, ...]:
    """The records of a stage's pictures, each with those of the same picture in the stages before."""
    before = [tuple(replace(one, earlier=()) for one in result.records) for result in results]
    return tuple(
        replace(record, earlier=tuple(stage[number] for stage in before)) for number, record in enumerate(records)
    )


def _hand_over(latents: Latents, before: Stage, after: Stage, fit: bool, guard: OnOff) -> tuple[Latents, Hop]:
    source, destination = before.pipeline, after.pipeline
    moved = transfer(
        latents,
        source=source,
        destination=destination,
        width=after.options.get("width"),
        height=after.options.get("height"),
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


def _check(stages: Sequence[Stage], *, from_picture: bool) -> None:
    """Refuse stages that cannot follow each other, before any of them runs."""
    if not isinstance(stages, list | tuple) or not stages or not all(isinstance(one, Stage) for one in stages):
        raise UsageError("Received no stages; expected a list of latentlink.Stage, at least one.")
    for stage in stages:
        _ = stage.pipeline.linked  # a VAE alone does not draw
    first = stages[0]
    if "denoising_start" in first.options or ("strength" in first.options and not from_picture):
        what = "strength" if "denoising_start" not in first.options else "denoising_start"
        raise UsageError(
            f"Stage 1 ({first.pipeline.name}) has a {what}, but nothing to go on from.",
            remedy="Leave it out: only the stages after the first have one"
            + (", or give init_image." if what == "strength" else "."),
        )
    for number, (before, after) in enumerate(pairwise(stages), 2):
        title = f"Stage {number} ({after.pipeline.name})"
        half_way = "denoising_end" in before.options
        if half_way is not ("denoising_start" in after.options):
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
        if ("strength" not in after.options) is ("denoising_start" not in after.options):
            found = "no strength" if "strength" not in after.options else "a strength and a denoising_start"
            raise UsageError(
                f"{title} has {found}; expected how far to noise the picture before it, 0 to 1.",
                remedy="Give it one, such as strength=0.4.",
            )
        encoder = "vae_encoder" in {engine.component for engine in after.pipeline.engines}
        if before.pipeline.space != after.pipeline.space and not encoder:
            raise UsageError(f"{title} has no vae_encoder to read the picture of another model with.")
