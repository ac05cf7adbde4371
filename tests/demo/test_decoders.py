"""The other decoders of demo's latent space, as checkpoints and as what they are exported to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import latentlink
from latentlink.demo import DECODERS, bundle, checkpoint
from latentlink.engine.bundle import Bundle
from latentlink.engine.quality import psnr

PROMPTS = ["a red circle on a blue background", "a large yellow star on a purple background"]


def weights(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "diffusion_pytorch_model.safetensors")


@pytest.mark.parametrize("name", DECODERS)
def test_all_weights_are_finite_float16(name: str) -> None:
    for key, value in weights(checkpoint(name)).items():
        assert value.dtype == np.float16, key
        assert np.isfinite(value).all(), key


def test_the_finetuned_one_has_demos_encoder_and_another_decoder() -> None:
    tuned, own = weights(checkpoint("demo-ft")), weights(checkpoint("demo") / "vae")
    changed = {key for key in own if not np.array_equal(own[key], tuned[key])}
    assert changed
    assert {key.split(".")[0] for key in changed} == {"decoder", "post_quant_conv"}


def test_the_finetuned_one_is_in_demos_space_by_its_encoder() -> None:
    from latentlink.export.checkpoints import Checkpoint, ExportOptions
    from latentlink.export.parts import load_vae

    (space,) = Bundle.open(bundle("demo")).manifest.spaces
    for asked in (ExportOptions(space="demo"), ExportOptions(space=space)):
        assert load_vae(Checkpoint.open(checkpoint("demo-ft"), asked), asked, candidate=None)[1] == space


def test_the_tiny_one_takes_the_place_of_both_halves() -> None:
    with latentlink.load("demo") as own:
        right = own.generate(PROMPTS, seed=[1, 2], steps=10, sampler="ddim")
        encoded = own.encode(right.images).array
    with latentlink.load("demo", replace=dict.fromkeys(("vae_decoder", "vae_encoder"), "demo-tiny")) as pipe:
        made = pipe.generate(PROMPTS, seed=[1, 2], steps=10, sampler="ddim")
        read = pipe.encode(right.images).array
    assert np.array_equal(made.latents.array, right.latents.array)
    # it reaches 26 dB over the captions held out; the other model's decoder stays under 15 dB
    assert psnr(*(np.stack([np.asarray(i) for i in result.images]) for result in (right, made))) > 20
    # latents have deviation 1
    assert np.std(read - encoded) < 0.2
