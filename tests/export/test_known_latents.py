"""A VAE of another space with equal names and shapes: told by how its weights encode a picture."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.known_latents import LATENTS, likeness_of, refuse_another_decoder, refuse_another_space
from latentlink.export.recipes import find_recipe
from latentlink.spaces import KNOWN_SPACES, LatentSpace

Encode = Callable[[Tensor], Tensor]


def writes(moments: Tensor) -> Encode:
    """An encoder that writes the same moments for every picture."""
    return lambda picture: moments


def as_recorded(space: str, *, scaling: float, noise: float) -> Encode:
    """An encoder that writes the reference of a space, scaled and with noise, as a fine-tuned one might."""
    recorded = torch.frombuffer(bytearray.fromhex(LATENTS[space]), dtype=torch.int8).reshape(1, 4, 8, 8).float() / 32
    mean = recorded / scaling + noise * torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    return writes(torch.cat([mean, -30 * torch.ones_like(mean)], dim=1))


@pytest.mark.parametrize(("own", "other"), [("sd", "sdxl"), ("sdxl", "sd")])
def test_a_vae_of_the_other_space_is_refused_whatever_its_scaling_and_its_own_is_not(own: str, other: str) -> None:
    for scaling in (0.13025, 0.18215, 1.0):
        encode = as_recorded(other, scaling=scaling, noise=0.3 / scaling)
        with pytest.raises(CheckpointError, match=f"for the latent space {own}, but .* those of {other} do"):
            refuse_another_space(encode, KNOWN_SPACES[own])
        refuse_another_space(encode, KNOWN_SPACES[other])


def test_nothing_is_said_of_spaces_without_a_reference_and_of_encoders_that_agree_with_none() -> None:
    encode = as_recorded("sdxl", scaling=1.0, noise=0.0)
    # its raw latents are those of Stable Diffusion XL, with other numbers
    refuse_another_space(encode, KNOWN_SPACES["playground-v2.5"])
    refuse_another_space(encode, LatentSpace(name="sd", channels=4, downscale=8, scaling=0.2, weights="0" * 64))
    for seed in range(20):
        noise = writes(torch.randn(1, 8, 8, 8, generator=torch.Generator().manual_seed(seed)))
        assert max(likeness_of(noise).values()) < 0.5
        refuse_another_space(noise, KNOWN_SPACES["sd"])
    refuse_another_space(writes(torch.zeros(1, 8, 8, 8)), KNOWN_SPACES["sd"])


@pytest.mark.skipif("LATENTLINK_WEIGHTS" not in os.environ, reason="LATENTLINK_WEIGHTS names no folder of weights")
@pytest.mark.parametrize(("file", "space"), [("taesd", "sd"), ("taesdxl", "sdxl")])
def test_the_references_are_those_of_the_published_distilled_encoders(file: str, space: str) -> None:
    from diffusers.models.autoencoders.vae import EncoderTiny

    encoder = EncoderTiny(3, 4, (1, 3, 3, 3), (64,) * 4, "relu").eval()
    state = load_file(Path(os.environ["LATENTLINK_WEIGHTS"]) / f"taesd/{file}_encoder.safetensors")
    encoder.load_state_dict({f"layers.{name}": tensor.float() for name, tensor in state.items()})
    likeness = likeness_of(encoder)
    # rounded to 1/32
    assert likeness[space] > 0.999
    assert max(value for name, value in likeness.items() if name != space) < 0.1


@pytest.mark.skipif("LATENTLINK_WEIGHTS" not in os.environ, reason="LATENTLINK_WEIGHTS names no folder of weights")
@pytest.mark.parametrize(("file", "own", "other"), [("taesd", "sd", "sdxl"), ("taesdxl", "sdxl", "sd")])
def test_a_published_decoder_is_refused_as_one_of_the_other_space(file: str, own: str, other: str) -> None:
    path = Path(os.environ["LATENTLINK_WEIGHTS"]) / f"taesd/{file}_decoder.safetensors"

    def decoder(space: str) -> Any:
        options = ExportOptions(space=space)
        checkpoint = Checkpoint.open(path, options)
        (component,) = find_recipe(checkpoint, "auto")[1].components(checkpoint, options)
        return component

    refuse_another_decoder(decoder(own).module, KNOWN_SPACES[own])
    with pytest.raises(CheckpointError, match=f"for the latent space {other}, but its weights decode latents of {own}"):
        refuse_another_decoder(decoder(other).module, KNOWN_SPACES[other])


def test_a_decoder_that_is_like_none_is_not_refused() -> None:
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randint(0, 256, (1, 64, 64, 3), generator=generator, dtype=torch.uint8)
        refuse_another_decoder(lambda latent, noise=noise: noise, KNOWN_SPACES["sd"])  # type: ignore[misc]
