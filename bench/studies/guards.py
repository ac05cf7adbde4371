"""The guards on honest generations, where none may be refused, and on engines with a fault put in.

python -m latentlink.bench.studies.guards [--count 500] [--json FILE]

docs/guards.md shows what it prints.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

import latentlink
from latentlink.bench.studies.faulty_bundles import (
    Edit,
    copy_bundle,
    named_weights,
    nan_first,
    overflow,
    times,
    white_noise,
)
from latentlink.demo.draw import draw
from latentlink.demo.grammar import held_out
from latentlink.engine.bundle import Bundle
from latentlink.engine.quality import psnr
from latentlink.errors import GuardError
from latentlink.runtime import Latents, Pipeline, bundle_path
from latentlink.runtime.guards.faults import roughness
from latentlink.runtime.probing.verify import verify

MODELS = ("demo", "demo-b")
TOGETHER = 5
"""Pictures a batch."""
TRIES = 8
"""Pictures that every fault is tried with."""
SEED = 1_000_000
"""Of the first honest generation: none that calibration used."""

Settings = Mapping[str, Any]

TEXT: Sequence[Settings] = (
    {"sampler": "ddim", "steps": 25},
    {"sampler": "euler", "steps": 10, "guidance": 5.0},
    {"sampler": "dpmpp_2m", "steps": 15, "sigmas": "karras"},
    {"sampler": "dpmpp_2m", "steps": 4, "guidance": 5.0},
    {"sampler": "unipc", "steps": 12, "width": 96, "height": 64},
    {"sampler": "euler_a", "steps": 15},
    {"sampler": "heun", "steps": 10, "guidance": 5.0},
    {"sampler": "dpmpp_2s", "steps": 10, "width": 128, "height": 128},
    {"sampler": "ddim", "steps": 20, "guidance": 1.0},
    {"sampler": "lcm", "steps": 8, "guidance": 5.0},
    {"sampler": "tcd", "steps": 12, "noise": "philox"},
    {"sampler": "dpmpp_2m_sde", "steps": 20, "guidance": 5.0},
    {"sampler": "ddim", "steps": 2, "guidance": 5.0},
    {"sampler": "ddpm", "steps": 15, "width": 64, "height": 96},
)
IMAGE: Sequence[Settings] = (
    {"sampler": "ddim", "steps": 20, "strength": 0.6},
    {"sampler": "dpmpp_2m", "steps": 15, "strength": 0.2},
    {"sampler": "euler", "steps": 15, "strength": 0.9},
    {"sampler": "unipc", "steps": 12},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HonestRuns:
    """What honest generations were like.

    Args:
        counts: Generations by kind and model.
        refused: What a guard said of one; expected to be empty.
        deviation: Least and greatest of the pictures, in 8-bit levels.
        roughness: Least and greatest of the pictures.
        rms: Least and greatest root mean square of the clean latents, of runs of 10 steps and more.
        rms_few: The same of runs of fewer steps.
    """

    counts: Mapping[str, int]
    refused: Sequence[str]
    deviation: tuple[float, float]
    roughness: tuple[float, float]
    rms: tuple[float, float]
    rms_few: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultOutcome:
    """What became of one fault.

    Args:
        fault: What was put in.
        tried: Pictures.
        caught: Of those, refused by a guard.
        stages: Where, without repetition.
        said: What the guard said of the first.
        psnr: Of the pictures that were not refused against the right decoder's, in dB, the worst; None where there is
            none, or no picture was asked for.
        probed: Whether `verify` refused the engine; None where the fault is in the latents.
    """

    fault: str
    tried: int
    caught: int
    stages: Sequence[str]
    said: str
    psnr: float | None = None
    probed: bool | None = None


class Tally:
    """Statistics of honest generations as they are made."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.refused: list[str] = []
        self.deviations: list[float] = []
        self.roughnesses: list[float] = []
        self.rms: dict[bool, list[float]] = {True: [], False: []}

    def run(self, kind: str, pipe: Pipeline, prompts: Sequence[str], settings: Settings) -> Latents | None:
        """Generate with guards; None where one refused."""
        self.counts[kind] = self.counts.get(kind, 0) + len(prompts)
        try:
            made = pipe.generate(list(prompts), **settings)
        except GuardError as error:
            self.refused.append(f"{pipe.name}, {kind}, {dict(settings)}: {error.message}")
            return None
        for picture in map(np.asarray, made.images):
            self.deviations.append(float(picture.std(axis=(0, 1)).max()))
            self.roughnesses.append(roughness(picture))
        if "denoising_end" not in settings:
            values = np.sqrt(np.mean(made.latents.array.astype(np.float64) ** 2, axis=(1, 2, 3)))
            self.rms[made.request.steps < 10] += values.tolist()
        return made.latents

    def result(self) -> HonestRuns:
        """What was seen."""
        return HonestRuns(
            counts=self.counts,
            refused=self.refused,
            deviation=_extremes(self.deviations),
            roughness=_extremes(self.roughnesses),
            rms=_extremes(self.rms[False]),
            rms_few=_extremes(self.rms[True]),
        )


def honest(count: int, seed: int, on_progress: Callable[[int], object]) -> HonestRuns:
    """Generate `count` pictures of held-out captions with both demo models, of every kind in turn."""
    tally = Tally()
    rng = np.random.default_rng(seed)
    captions = cycle([scene.caption for scene in held_out()])
    text, image = cycle(TEXT), cycle(IMAGE)
    done = 0
    with latentlink.load(MODELS[0]) as first, latentlink.load(MODELS[1]) as second:
        while done < count:
            for pipe in (first, second):
                for kind in ("text", "text", "text", "image", "odd image", "mask", "halves"):
                    if done >= count:
                        break
                    prompts = [next(captions) for _ in range(min(TOGETHER, count - done))]
                    seeded = {"seed": seed + done}
                    if kind == "text":
                        tally.run(kind, pipe, prompts, {**next(text), **seeded})
                    elif kind == "halves":
                        whole = {"sampler": "euler", "steps": 15, **seeded}
                        half = tally.run(kind, pipe, prompts, {**whole, "denoising_end": 0.6})
                        if half is not None:
                            rest = Tally()
                            rest.run(kind, pipe, prompts, {**whole, "denoising_start": 0.6, "init_latents": half})
                            tally.refused += rest.refused
                    else:
                        odd = kind == "odd image"
                        settings = {**next(image), **seeded, "init_image": _odd(rng) if odd else _drawn(rng)}
                        if kind == "mask":
                            settings |= {"mask_image": _left_half(), "strength": 1.0}
                        tally.run(kind, pipe, prompts, settings)
                    done += len(prompts)
                    on_progress(done)
    return tally.result()


def faults(on_progress: Callable[[str], object]) -> list[FaultOutcome]:
    """Put every fault in and look what the guards say."""
    captions = [scene.caption for scene in held_out()][:TRIES]
    rng = np.random.default_rng(SEED)
    drawings = [_drawn(rng) for _ in range(TRIES)]
    found = []
    with latentlink.load("demo") as pipe:
        clean = [_generate(pipe, caption, SEED + number) for number, caption in enumerate(captions)]
        right = [pipe.decode(one)[0] for one in clean]

        def scaled(factor: float) -> list[Latents]:
            return [replace(one, array=one.array * np.float32(factor)) for one in clean]

        for factor in (4, 0.25):
            on_progress(f"latents x{factor:g}")
            found.append(_try(f"latents x{factor:g}, given to decode", [_decodes(pipe, one) for one in scaled(factor)]))
            starts = [_starts(pipe, caption, one) for caption, one in zip(captions, scaled(factor), strict=True)]
            found.append(_try(f"latents x{factor:g}, given to generate", starts))
    for name, component, edit in FAULTS:
        on_progress(name)
        with tempfile.TemporaryDirectory() as folder, ExitStack() as opened:
            broken = copy_bundle(bundle_path("demo"), Path(folder) / "broken", {component: edit})
            probed = any(row.verdict == "failed" for row in verify(Bundle.open(broken)))
            pipe = opened.enter_context(latentlink.load(broken))
            if component == "vae_encoder":
                tries = [_encodes(pipe, picture) for picture in drawings]
            elif component == "vae_decoder":
                tries = [_decodes(pipe, one) for one in clean]
            else:
                tries = [_draws(pipe, caption, SEED + number) for number, caption in enumerate(captions)]
            one = _try(name, tries)
            if component == "vae_decoder" and one.caught < one.tried:
                pairs = zip(clean, right, strict=True)
                worst = min(psnr(np.asarray(want), np.asarray(pipe.decode(z, guard="off")[0])) for z, want in pairs)
                one = replace(one, psnr=worst)
            found.append(replace(one, probed=probed))
    return found


def _try(fault: str, tries: Sequence[Callable[[], object]]) -> FaultOutcome:
    caught = []
    for one in tries:
        try:
            one()
        except GuardError as error:
            caught.append(error)
    return FaultOutcome(
        fault=fault,
        tried=len(tries),
        caught=len(caught),
        stages=sorted({error.stage for error in caught}),
        said=caught[0].message if caught else "",
    )


def _generate(pipe: Pipeline, caption: str, seed: int) -> Latents:
    return pipe.generate(caption, seed=seed, steps=15, sampler="dpmpp_2m", decode=False).latents


def _draws(pipe: Pipeline, caption: str, seed: int) -> Callable[[], object]:
    return lambda: pipe.generate(caption, seed=seed, steps=15, sampler="dpmpp_2m")


def _starts(pipe: Pipeline, caption: str, latents: Latents) -> Callable[[], object]:
    return lambda: pipe.generate(caption, seed=1, steps=15, sampler="dpmpp_2m", init_latents=latents, strength=0.3)


def _decodes(pipe: Pipeline, latents: Latents) -> Callable[[], object]:
    return lambda: pipe.decode(latents)


def _encodes(pipe: Pipeline, picture: Image.Image) -> Callable[[], object]:
    return lambda: pipe.encode(picture)


FAULTS: Sequence[tuple[str, str, Edit]] = (
    ("NaN in a weight of text_encoder", "text_encoder", named_weights("final_layer_norm.weight", nan_first)),
    ("NaN in a weight of denoiser", "denoiser", named_weights("unet.conv_in.weight", nan_first)),
    ("NaN in a weight of vae_decoder", "vae_decoder", named_weights("decoder.conv_in.weight", nan_first)),
    ("NaN in the last weight of vae_decoder", "vae_decoder", named_weights("decoder.conv_out.weight", nan_first)),
    ("NaN in a weight of vae_encoder", "vae_encoder", named_weights("encoder.conv_in.weight", nan_first)),
    ("overflow in half precision in vae_decoder", "vae_decoder", overflow),
    ("overflow in half precision in vae_encoder", "vae_encoder", overflow),
    ("prediction of denoiser x4", "denoiser", named_weights("unet.conv_out", times(4))),
    ("scaling of vae_encoder x4", "vae_encoder", named_weights("affine.gain", times(0.25))),
    ("scaling of vae_encoder x2", "vae_encoder", named_weights("affine.gain", times(0.5))),
    ("scaling of vae_encoder x0.5", "vae_encoder", named_weights("affine.gain", times(2))),
    ("scaling of vae_decoder x2", "vae_decoder", named_weights("affine.gain", times(0.5))),
    ("scaling of vae_decoder x0.5", "vae_decoder", named_weights("affine.gain", times(2))),
    ("white noise from vae_decoder", "vae_decoder", white_noise),
    ("zeroed biases of vae_decoder", "vae_decoder", named_weights("bias", np.zeros_like)),
    ("zeroed weights of vae_decoder's last layer", "vae_decoder", named_weights("decoder.conv_out", np.zeros_like)),
)
"""What each is called, where it is put in, and how."""


def _drawn(rng: np.random.Generator) -> Image.Image:
    scenes = held_out()
    return draw(scenes[int(rng.integers(len(scenes)))], "flat", rng)


def _odd(rng: np.random.Generator) -> Image.Image:
    """Pictures that the models would never draw: one colour, noise, stripes, a ramp."""
    kind = int(rng.integers(4))
    if kind == 0:
        return Image.new("RGB", (64, 64), tuple(int(value) for value in rng.integers(0, 256, 3)))
    if kind == 1:
        return Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    across = np.arange(64) // 4 % 2 * 255 if kind == 2 else np.linspace(0, 255, 64)
    return Image.fromarray(np.broadcast_to(across[None, :, None], (64, 64, 3)).astype(np.uint8))


def _left_half() -> Image.Image:
    mask = np.zeros((64, 64), np.uint8)
    mask[:, :32] = 255
    return Image.fromarray(mask)


def _extremes(values: Sequence[float]) -> tuple[float, float]:
    return (min(values), max(values)) if values else (0.0, 0.0)


def honest_table(seen: HonestRuns) -> str:
    """Markdown."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in seen.counts.items())
    lines = [
        f"{sum(seen.counts.values())} honest generations ({kinds}): {len(seen.refused)} refused.\n",
        "| | least | most |",
        "|---|--:|--:|",
        f"| picture's deviation, of 255 | {seen.deviation[0]:.1f} | {seen.deviation[1]:.1f} |",
        f"| picture's roughness | {seen.roughness[0]:.3f} | {seen.roughness[1]:.3f} |",
        f"| latents' root mean square, 10 steps and more | {seen.rms[0]:.2f} | {seen.rms[1]:.2f} |",
        f"| latents' root mean square, fewer steps | {seen.rms_few[0]:.2f} | {seen.rms_few[1]:.2f} |",
    ]
    return "\n".join([*lines, *(f"- {text}" for text in seen.refused)]) + "\n"


def fault_table(found: Sequence[FaultOutcome]) -> str:
    """Markdown."""
    lines = [
        "| fault | by its probes | by a guard | after | what it says | worst picture, if not caught |",
        "|---|---|--:|---|---|--:|",
    ]
    for one in found:
        said = one.said.partition(": ")[2].partition(";")[0]
        worst = "" if one.psnr is None else f"{one.psnr:.1f} dB"
        probed = {None: "", True: "refused", False: "**passed**"}[one.probed]
        cells = (one.fault, probed, f"{one.caught} of {one.tried}", ", ".join(one.stages), said, worst)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


@click.command()
@click.option("--count", type=click.IntRange(0), default=500, show_default=True, help="Honest generations.")
@click.option("--seed", type=int, default=SEED, show_default=True, help="Of the first honest generation.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Also write the figures to a file.")
def main(count: int, seed: int, json_file: Path | None) -> None:
    """Print both tables; ends with 1 where an honest generation was refused."""
    with click.progressbar(length=count, label="honest") as bar:
        seen = honest(count, seed, lambda done: bar.update(done - bar.pos))
    click.echo(honest_table(seen))
    found = faults(lambda name: click.echo(f"fault: {name}", err=True))
    click.echo(fault_table(found))
    if json_file is not None:
        json_file.write_text(json.dumps({"honest": asdict(seen), "faults": [asdict(one) for one in found]}, indent=2))
    raise SystemExit(1 if seen.refused else 0)


if __name__ == "__main__":
    main()
