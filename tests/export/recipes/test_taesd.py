"""Tiny VAEs in their author's files as components: what they compute, in the space that the user says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

import latentlink
from latentlink.bench.sheets.photographs import PHOTOGRAPHS, photograph
from latentlink.engine.build import build_bundle
from latentlink.engine.quality import psnr
from latentlink.errors import CheckpointError
from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.exporter import export_checkpoint
from latentlink.export.graphs import Component
from latentlink.export.recipes import find_recipe
from latentlink.ports import latent_port
from latentlink.spaces import KNOWN_SPACES, LatentSpace
from tests.export.tiny_vaes import authors_decoder, authors_encoder


def made(folder: Path, channels: int = 4, **kind: bool) -> tuple[torch.nn.Module, torch.nn.Module]:
    torch.manual_seed(3)
    halves = authors_encoder(channels, **kind), authors_decoder(channels, **kind)
    with torch.no_grad():
        *_, weights, bias = halves[1].parameters()
        weights.mul_(9)  # pictures of all colours
        bias.add_(0.5)
    for name, half in zip(("tae_encoder", "tae_decoder"), halves, strict=True):
        save_file(half.state_dict(), folder / f"{name}.safetensors")
    return halves


def components(path: Path, space: str | LatentSpace | None) -> dict[str, Component]:
    options = ExportOptions(space=space)
    checkpoint = Checkpoint.open(path, options)
    name, recipe = find_recipe(checkpoint, "auto")
    assert name == "taesd"
    return {component.name: component for component in recipe.components(checkpoint, options)}


@pytest.mark.parametrize(
    ("channels", "kind", "space"),
    [(4, {}, "sdxl"), (32, {"pooled": True}, "flux2"), (32, {"deep": True}, "dcae-f32c32")],
)
def test_both_halves_compute_what_the_author_computes_in_the_denoisers_latents(
    tmp_path: Path, channels: int, kind: dict[str, bool], space: str
) -> None:
    encoder, decoder = made(tmp_path, channels, **kind)
    ours, known = components(tmp_path, space), KNOWN_SPACES[space]
    generator = torch.Generator().manual_seed(5)
    picture = torch.randint(0, 256, (2, 64, 32, 3), generator=generator, dtype=torch.uint8)
    latent = torch.randn(2, known.channels, 64 // known.downscale, 32 // known.downscale, generator=generator)
    # FLUX.2's denoiser reads patches of 2x2 as channels, row by row (diffusers' `_patchify_latents`)
    unfolded = pixel_shuffle(latent, known.patch)
    with torch.no_grad():
        wanted = pixel_unshuffle(encoder(picture.permute(0, 3, 1, 2) / 255), known.patch)
        encoded = ours["vae_encoder"].module(picture, torch.zeros(2, 1, 64, 32), torch.randn(latent.shape))
        torch.testing.assert_close(encoded, wanted, rtol=1e-4, atol=1e-5)
        levels = (decoder(unfolded).clamp(0, 1) * 255).round().permute(0, 2, 3, 1).numpy()
        decoded = ours["vae_decoder"].module(latent).numpy()
    assert levels.std() > 5
    assert np.abs(decoded.astype(int) - levels).max() <= 1  # float32 in another order may round a level the other way
    assert ours["vae_decoder"].inputs == (latent_port(known),)


def test_one_half_alone_is_one_component(tmp_path: Path) -> None:
    made(tmp_path)
    assert [*components(tmp_path / "tae_decoder.safetensors", "sd")] == ["vae_decoder"]
    assert [*components(tmp_path / "tae_encoder.safetensors", "sd")] == ["vae_encoder"]


@pytest.mark.parametrize(
    ("channels", "kind", "space", "said"),
    [
        (4, {}, None, r"its files do not say which; known with 4 channels, /8: sd \(.*--space sd\|sdxl"),
        (32, {"pooled": True}, None, r"known with 32 channels, /8: flux2 \(128 channels, /16.*--space flux2"),
        (32, {"deep": True}, "flux2", r"--space flux2 means 128 channels, /16.*the VAE has 32 channels, /32"),
        (32, {"pooled": True}, "flux1", r"--space flux1 means 16 channels"),
        (4, {}, LatentSpace(name="odd", channels=16, downscale=16, patch=2), "expected sides in multiples of 8 pixels"),
    ],
)
def test_its_space_is_what_the_user_says_and_never_guessed(
    tmp_path: Path, channels: int, kind: dict[str, bool], space: Any, said: str
) -> None:
    made(tmp_path, channels, **kind)
    with pytest.raises(CheckpointError, match=said):
        components(tmp_path, space)


def test_taef2_as_published_is_the_vae_of_flux_2_in_its_denoisers_latents(weights: Path, tmp_path: Path) -> None:
    encoder = authors_encoder(32, pooled=True)
    encoder.load_state_dict(load_file(weights / "taef2" / "taef2_encoder.safetensors"))
    export_checkpoint(weights / "taef2", tmp_path / "exported", options=ExportOptions(space="flux2"))
    build_bundle(tmp_path / "exported", tmp_path / "bundle")
    shown = photograph(PHOTOGRAPHS[0])[:128, :128]
    with latentlink.load(tmp_path / "bundle", verify=False) as pipe, torch.no_grad():
        latents = pipe.encode(Image.fromarray(shown))
        wanted = pixel_unshuffle(encoder(torch.tensor(shown).permute(2, 0, 1)[None] / 255), 2).numpy()
        assert latents.space == KNOWN_SPACES["flux2"]
        # float32 in another order: the export's own gate is wider
        assert np.abs(latents.array - wanted).max() < 2e-5 * np.abs(wanted).max()
        assert psnr(shown, np.asarray(pipe.decode(latents)[0])) > 20
