"""Honest generations of the demo models under guards: none may be refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
from PIL import Image

import latentlink
from latentlink.demo.draw import draw
from latentlink.demo.grammar import held_out
from latentlink.errors import GuardError
from latentlink.runtime import Latents, Pipeline
from latentlink.runtime.guards.faults import roughness

MODELS = ("demo", "demo-b")


TOGETHER = 5
"""Pictures a batch."""


SEED = 1_000_000
"""Seed of the first honest generation; calibration used none of them."""


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
    """Statistics of honest generations.

    Args:
        counts: Number of generations by kind.
        refused: Messages of refusals by a guard; expected to be empty.
        deviation: Smallest and largest deviation of the pictures, in 8-bit levels.
        roughness: Smallest and largest roughness of the pictures.
        rms: Smallest and largest root mean square of the clean latents, for runs of 10 or more steps.
        rms_few: The same for runs of fewer steps.
    """

    counts: Mapping[str, int]
    refused: Sequence[str]
    deviation: tuple[float, float]
    roughness: tuple[float, float]
    rms: tuple[float, float]
    rms_few: tuple[float, float]


class HonestTally:
    """Collects statistics of honest generations."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.refused: list[str] = []
        self.deviations: list[float] = []
        self.roughnesses: list[float] = []
        self.rms: dict[bool, list[float]] = {True: [], False: []}

    def run(self, kind: str, pipe: Pipeline, prompts: Sequence[str], settings: Settings) -> Latents | None:
        """Generate with guards; None if one refused."""
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
        """The statistics so far."""
        return HonestRuns(
            counts=self.counts,
            refused=self.refused,
            deviation=_extremes(self.deviations),
            roughness=_extremes(self.roughnesses),
            rms=_extremes(self.rms[False]),
            rms_few=_extremes(self.rms[True]),
        )


def run_honest(count: int, seed: int, on_progress: Callable[[int], object]) -> HonestRuns:
    """Generate `count` pictures of held-out captions with both demo models, alternating between kinds."""
    tally = HonestTally()
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
                            rest = HonestTally()
                            rest.run(kind, pipe, prompts, {**whole, "denoising_start": 0.6, "init_latents": half})
                            tally.refused += rest.refused
                    else:
                        odd = kind == "odd image"
                        settings = {
                            **next(image),
                            **seeded,
                            "init_image": _odd_picture(rng) if odd else random_drawing(rng),
                        }
                        if kind == "mask":
                            settings |= {"mask_image": _left_half_mask(), "strength": 1.0}
                        tally.run(kind, pipe, prompts, settings)
                    done += len(prompts)
                    on_progress(done)
    return tally.result()


def random_drawing(rng: np.random.Generator) -> Image.Image:
    scenes = held_out()
    return draw(scenes[int(rng.integers(len(scenes)))], "flat", rng)


def _odd_picture(rng: np.random.Generator) -> Image.Image:
    """A picture that the models would never draw: one colour, noise, stripes or a ramp."""
    kind = int(rng.integers(4))
    if kind == 0:
        return Image.new("RGB", (64, 64), tuple(int(value) for value in rng.integers(0, 256, 3)))
    if kind == 1:
        return Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    across = np.arange(64) // 4 % 2 * 255 if kind == 2 else np.linspace(0, 255, 64)
    return Image.fromarray(np.broadcast_to(across[None, :, None], (64, 64, 3)).astype(np.uint8))


def _left_half_mask() -> Image.Image:
    mask = np.zeros((64, 64), np.uint8)
    mask[:, :32] = 255
    return Image.fromarray(mask)


def _extremes(values: Sequence[float]) -> tuple[float, float]:
    return (min(values), max(values)) if values else (0.0, 0.0)
