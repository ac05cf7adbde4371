"""LatentLink compared with diffusers: same checkpoint, seed, prompt and sampler, compared in latents and pictures.

python -m latentlink.bench.parity.compare CHECKPOINT BUNDLE [--seeds 10] [--steps 20]

The exit status is 1 if a sampler is out of tolerance. docs/parity.md is made by
`pytest tests/parity --write-table docs/parity.md`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import click
import numpy as np

import latentlink
from latentlink.bench.parity.case import Case, start_mask, start_picture
from latentlink.bench.parity.diffusers import Diffusers, Reference
from latentlink.bench.parity.schedulers import FLOW_SCHEDULERS, SCHEDULERS
from latentlink.engine.quality import psnr
from latentlink.runtime.request.latents import Latents
from latentlink.runtime.result import Result
from latentlink.runtime.samplers import FLOW_SAMPLERS, SAMPLERS
from latentlink.terminal.module import command, run_command

# Both sides compute in float32: what remains is the order of sums, amplified by the steps. Pictures are rounded to
# 8 bits, where a difference of one level in one value of 400 already means 74 dB, and in every value 48 dB.
MAX_RELATIVE = 1e-3
MIN_PSNR = 45.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Difference between two generations.

    Args:
        relative: Norm of the latents' difference over the norm of diffusers' latents.
        psnr: PSNR of the worst picture in dB.
    """

    relative: float
    psnr: float

    @property
    def holds(self) -> bool:
        """Whether both figures are within tolerance."""
        return self.relative <= MAX_RELATIVE and self.psnr >= MIN_PSNR

    def __str__(self) -> str:
        return f"latents {self.relative:.1e} apart, pictures {format_psnr(self.psnr)}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResultPair:
    """Results of both systems for one case."""

    theirs: Reference
    ours: Result

    def agreement(self) -> Difference:
        """The difference between them."""
        reference = self.theirs.latents
        pairs = zip(self.theirs.pictures, self.ours.images, strict=True)
        return Difference(
            relative=float(np.linalg.norm(self.ours.latents.array - reference) / np.linalg.norm(reference)),
            psnr=min(psnr(theirs, np.asarray(ours)) for theirs, ours in pairs),
        )


class BothSystems:
    """Both systems, opened on the same weights.

    Args:
        checkpoint: A diffusers directory.
        bundle: The bundle made from it.
        vae: Another bundle that provides both halves of the VAE.
    """

    def __init__(self, checkpoint: str | Path, bundle: str | Path, *, vae: str | Path | None = None) -> None:
        halves = {} if vae is None else {"vae_decoder": vae, "vae_encoder": vae}
        self.ours = latentlink.load(bundle, replace=halves)
        self.theirs = Diffusers(checkpoint)

    def run(self, case: Case, *, after: ResultPair | None = None) -> ResultPair:
        """Run a case on both.

        Args:
            case: The generation.
            after: Results to continue from, each system from its own latents, if `denoising_start` is given.
        """
        has_picture = case.kind != "text2img" and after is None
        ours = self.ours.generate(
            case.prompts,
            init_image=start_picture(case["width"], case["height"]) if has_picture else None,
            mask_image=start_mask(case["width"], case["height"]) if case.kind == "inpaint" else None,
            init_latents=None if after is None else _without_level(after.ours.latents, case["sampler"]),
            guard="off",  # random weights draw noise
            **{"step_cache": 1, "batch_seed": True, **case.options},  # diffusers gets one generator
        )
        theirs = self.theirs.run(case, latents=None if after is None else after.theirs.latents)
        return ResultPair(theirs=theirs, ours=ours)

    def compare(self, case: Case) -> Difference:
        """Run a case on both and compare."""
        return self.run(case).agreement()


def _without_level(latents: Latents, sampler: str) -> Latents:
    """Latents for the next run, without their level if the sampler makes two calls a step.

    diffusers starts the second run of such a sampler a step before the level of the latents. The runtime refuses that
    if the level is known, so it is removed here for the comparison.
    """
    calls = (SAMPLERS[sampler] if sampler in SAMPLERS else FLOW_SAMPLERS[sampler]).calls
    return replace(latents, level=None) if calls == 2 else latents


def cases(
    *,
    samplers: Sequence[str],
    seeds: Sequence[int],
    sizes: Sequence[tuple[int, int]],
    steps: int,
    prompts: Sequence[str] = ("a red circle on a blue background",),
) -> Iterator[Case]:
    """Every sampler, seed and size, with guidance off and 5, and one and three pictures; prompts alternate by seed."""
    for sampler, seed, guidance, count, (width, height) in product(samplers, seeds, (1.0, 5.0), (1, 3), sizes):
        yield Case(
            sampler=sampler,
            seed=seed,
            guidance=guidance,
            num_images=count,
            width=width,
            height=height,
            steps=steps,
            prompts=(prompts[seed % len(prompts)],),
        )


def format_psnr(decibels: float) -> str:
    """Format a PSNR."""
    return "equal" if decibels == float("inf") else f"{decibels:.1f} dB"


def table(columns: Sequence[str], rows: Mapping[tuple[str, ...], Sequence[Difference]]) -> str:
    """The worst figures of every row, in Markdown.

    Args:
        columns: Titles of the columns that identify a row.
        rows: Differences by row; a row has as many words as `columns`.
    """
    lines = [
        f"| {' | '.join(columns)} | cases | worst latents | worst picture |",
        f"|{'---|' * len(columns)}--:|--:|--:|",
    ]
    for row, agreements in rows.items():
        relative = max(agreement.relative for agreement in agreements)
        worst = format_psnr(min(agreement.psnr for agreement in agreements))
        lines.append(f"| {' | '.join(row)} | {len(agreements)} | {relative:.1e} | {worst} |")
    return "\n".join(lines) + "\n"


@command(__doc__)
@click.argument("checkpoint")
@click.argument("bundle")
@click.option("--seeds", type=click.IntRange(1), default=10, show_default=True)
@click.option("--steps", type=click.IntRange(1), default=20, show_default=True)
@click.option("--width", type=int)
@click.option("--height", type=int)
def main(checkpoint: str, bundle: str, seeds: int, steps: int, width: int | None, height: int | None) -> None:
    """Print the worst difference of every sampler."""
    sides = BothSystems(checkpoint, bundle)
    schedulers = FLOW_SCHEDULERS if sides.theirs.flow else SCHEDULERS
    sampling = sides.ours.manifest.sampling
    size = (width or sampling.width, height or sampling.height)
    found: dict[tuple[str, ...], list[Difference]] = {}
    listed = list(cases(samplers=[*schedulers], seeds=range(seeds), sizes=(size,), steps=steps))
    with click.progressbar(listed) as going:
        for case in going:
            row = (case["sampler"], schedulers[case["sampler"]][0])
            found.setdefault(row, []).append(sides.compare(case))
    click.echo(table(("sampler", "diffusers' class"), found))
    raise SystemExit(0 if all(agreement.holds for several in found.values() for agreement in several) else 1)


if __name__ == "__main__":
    run_command(main)
