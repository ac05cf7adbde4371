"""LatentLink beside diffusers: the same checkpoint, seed, prompt and sampler, compared in latents and pictures.

python -m latentlink.bench.parity CHECKPOINT BUNDLE [--seeds 10] [--steps 20] [--markdown docs/parity.md]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import click
import numpy as np

import latentlink
from latentlink.runtime.transfer import psnr

SCHEDULERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "ddim": ("DDIMScheduler", {}),
    "ddpm": ("DDPMScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "heun": ("HeunDiscreteScheduler", {}),
    "dpm2": ("KDPM2DiscreteScheduler", {}),
    "lms": ("LMSDiscreteScheduler", {}),
    "pndm": ("PNDMScheduler", {"skip_prk_steps": True}),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", {}),
    "dpmpp_2m_sde": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "dpmpp_2s": ("DPMSolverSinglestepScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "deis": ("DEISMultistepScheduler", {}),
    "lcm": ("LCMScheduler", {}),
    "tcd": ("TCDScheduler", {}),
}
"""diffusers' class for each sampler, and the options that make it that sampler."""

# float32 on both sides: what is left is the order of sums, amplified by the steps. A picture is rounded to 8 bits,
# where a difference of one level in one value of 400 already costs 74 dB, and one in every value 48 dB.
MAX_RELATIVE = 1e-3
MIN_PSNR = 45.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One generation."""

    sampler: str
    seed: int
    guidance: float
    num_images: int
    width: int
    height: int
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far two generations are apart.

    Args:
        relative: Norm of the latents' difference over the norm of diffusers' latents.
        psnr: Of the worst picture, dB.
    """

    relative: float
    psnr: float


def cases(
    *, samplers: Sequence[str], seeds: Sequence[int], sizes: Sequence[tuple[int, int]], steps: int
) -> Iterator[Case]:
    """Every sampler with every seed, guidance off and 5, one picture and three, every size."""
    for sampler, seed, guidance, count, (width, height) in product(samplers, seeds, (1.0, 5.0), (1, 3), sizes):
        yield Case(
            sampler=sampler,
            seed=seed,
            guidance=guidance,
            num_images=count,
            width=width,
            height=height,
            steps=steps,
        )


class Sides:
    """Both systems, opened on the same weights.

    Args:
        checkpoint: A diffusers directory.
        bundle: The bundle made from it.
    """

    def __init__(self, checkpoint: str | Path, bundle: str | Path) -> None:
        import torch
        from diffusers import StableDiffusionPipeline

        self.ours = latentlink.load(bundle)
        self.theirs: Any = StableDiffusionPipeline.from_pretrained(
            str(checkpoint), safety_checker=None, dtype=torch.float32
        )
        self.theirs.set_progress_bar_config(disable=True)
        self._config = self.theirs.scheduler.config

    def compare(self, case: Case, prompt: str) -> Agreement:
        """Run a case on both."""
        import diffusers
        import torch

        name, options = SCHEDULERS[case.sampler]
        self.theirs.scheduler = getattr(diffusers, name).from_config(self._config, **options)
        with torch.no_grad():
            wanted = self.theirs(
                prompt,
                num_inference_steps=case.steps,
                guidance_scale=case.guidance,
                num_images_per_prompt=case.num_images,
                generator=torch.Generator().manual_seed(case.seed),
                output_type="latent",
                width=case.width,
                height=case.height,
            ).images
            decoded = self.theirs.vae.decode(wanted / self.theirs.vae.config.scaling_factor).sample
        pictures = self.theirs.image_processor.postprocess(decoded, output_type="pil")
        made = self.ours.generate(
            prompt,
            seed=case.seed,
            steps=case.steps,
            guidance=case.guidance,
            num_images=case.num_images,
            sampler=case.sampler,
            width=case.width,
            height=case.height,
        )
        reference = wanted.numpy()
        return Agreement(
            relative=float(np.linalg.norm(made.latents.array - reference) / np.linalg.norm(reference)),
            psnr=min(psnr(np.asarray(a), np.asarray(b)) for a, b in zip(pictures, made.images, strict=True)),
        )


def table(found: Mapping[str, Sequence[Agreement]]) -> str:
    """The worst of every sampler, in Markdown."""
    lines = ["| sampler | diffusers' class | cases | worst latents | worst picture |", "|---|---|--:|--:|--:|"]
    for sampler, agreements in found.items():
        relative = max(agreement.relative for agreement in agreements)
        worst = min(agreement.psnr for agreement in agreements)
        shown = "equal" if worst == float("inf") else f"{worst:.1f} dB"
        lines.append(f"| {sampler} | {SCHEDULERS[sampler][0]} | {len(agreements)} | {relative:.1e} | {shown} |")
    return "\n".join(lines) + "\n"


HEAD = """# Parity with diffusers

Final latents (norm of the difference over the norm of diffusers' latents) and pictures (PSNR of the worst one) of
the demo model at equal seeds, float32, worst over {seeds} seeds, guidance 1 and 5, one picture and three, 64x64 and
96x64, {steps} steps. Expected: at most 1e-3, at least 45 dB. Made by `python -m latentlink.bench.parity`.

"""


@click.command()
@click.argument("checkpoint")
@click.argument("bundle")
@click.option("--seeds", default=10, show_default=True)
@click.option("--steps", default=20, show_default=True)
@click.option("--markdown", type=click.Path(path_type=Path), help="Write the table here.")
def main(checkpoint: str, bundle: str, seeds: int, steps: int, markdown: Path | None) -> None:
    """Print the worst agreement of every sampler; ends with 1 where one is out of tolerance."""
    from latentlink.demo.grammar import scenes

    captions = [scene.caption for scene in scenes() if scene.held_out]
    sides = Sides(checkpoint, bundle)
    found: dict[str, list[Agreement]] = {}
    with click.progressbar(
        list(cases(samplers=[*SCHEDULERS], seeds=range(seeds), sizes=((64, 64), (96, 64)), steps=steps))
    ) as listed:
        for case in listed:
            agreement = sides.compare(case, captions[case.seed % len(captions)])
            found.setdefault(case.sampler, []).append(agreement)
    text = table(found)
    click.echo(text)
    if markdown is not None:
        markdown.write_text(HEAD.format(seeds=seeds, steps=steps) + text, encoding="utf-8")
    passed = all(a.relative <= MAX_RELATIVE and a.psnr >= MIN_PSNR for several in found.values() for a in several)
    raise SystemExit(0 if passed else 1)


if __name__ == "__main__":
    main()
