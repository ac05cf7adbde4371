"""Engines with injected faults, and what the guards and `verify` say of each."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

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
from latentlink.bench.studies.honest_runs import SEED, random_drawing
from latentlink.demo.grammar import held_out
from latentlink.engine.bundle import Bundle
from latentlink.engine.quality import psnr
from latentlink.errors import GuardError
from latentlink.runtime import Latents, Pipeline, bundle_path
from latentlink.runtime.probing.verify import verify

TRIES = 8
"""Number of pictures for each fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultOutcome:
    """Outcome of one fault.

    Args:
        fault: Name of the fault.
        tried: Number of pictures.
        caught: Number of pictures that a guard refused.
        stages: Stages at which they were refused, without repetition.
        message: Message of the guard for the first.
        psnr: Worst PSNR of the pictures that were not refused, against the right decoder's, in dB; None if there are
            none, or no pictures were drawn.
        probed: Whether `verify` refused the engine; None if the fault is in the latents.
    """

    fault: str
    tried: int
    caught: int
    stages: Sequence[str]
    message: str
    psnr: float | None = None
    probed: bool | None = None


def faults(on_progress: Callable[[str], object]) -> list[FaultOutcome]:
    """Inject every fault and record the guards' verdicts."""
    captions = [scene.caption for scene in held_out()][:TRIES]
    rng = np.random.default_rng(SEED)
    drawings = [random_drawing(rng) for _ in range(TRIES)]
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
            pipe = opened.enter_context(latentlink.load(broken, verify=False))
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
        message=caught[0].message if caught else "",
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
"""Name of each fault, its component, and the edit that injects it."""
