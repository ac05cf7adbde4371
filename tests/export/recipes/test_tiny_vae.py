"""A tiny VAE that was distilled from another: the same ports, no affine between them, and a space that is asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from diffusers.image_processor import VaeImageProcessor

from latentlink.errors import CheckpointError, LatentLinkError
from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.exporter import export_checkpoint
from latentlink.export.graphs import Component
from latentlink.export.parts import vae_components
from latentlink.export.recipes import find_recipe
from latentlink.ports import latent_port
from latentlink.spaces import KNOWN_SPACES, LatentSpace

SD = ExportOptions(space="sd")
WIDTHS = {"encoder_block_out_channels": (8,) * 4, "decoder_block_out_channels": (8,) * 4}


def made(folder: Path, **arguments: Any) -> AutoencoderTiny:
    """A random tiny VAE, saved as published ones are. Weights of three times the size spread it over the colours."""
    torch.manual_seed(3)
    vae = AutoencoderTiny(**(WIDTHS | arguments)).eval()
    with torch.no_grad():
        vae.decoder.layers[-1].weight *= 3
        vae.decoder.layers[-1].bias += 0.5
    vae.save_pretrained(folder)
    return vae


def components(folder: Path, options: ExportOptions) -> tuple[Component, Component]:
    checkpoint = Checkpoint.open(folder, options)
    name, recipe = find_recipe(checkpoint, "auto")
    assert name == "vae-tiny"
    encoder, decoder = recipe.components(checkpoint, options)
    return decoder, encoder


@pytest.mark.parametrize("own", [{}, {"scaling_factor": 0.5, "shift_factor": 0.25}])
def test_both_halves_compute_what_diffusers_computes(tmp_path: Path, own: dict[str, float]) -> None:
    vae = made(tmp_path, **own)
    scaling, shift = own.get("scaling_factor", 1.0), own.get("shift_factor", 0.0)
    decoder, encoder = components(tmp_path, SD)
    generator = torch.Generator().manual_seed(5)
    latent = torch.randn(2, 4, 3, 2, generator=generator)
    picture = torch.randint(0, 256, (2, 24, 16, 3), generator=generator, dtype=torch.uint8)
    with torch.no_grad():
        # the arithmetic of diffusers' pipelines
        decoded = vae.decode(latent / scaling + shift).sample
        levels = (VaeImageProcessor().postprocess(decoded, output_type="np") * 255).round().astype(np.uint8)
        ours = decoder.module(latent).numpy()
        encoded = (vae.encode(picture.permute(0, 3, 1, 2).float() / 127.5 - 1).latents - shift) * scaling
        mask, noise = torch.zeros(2, 1, 24, 16), torch.randn(encoded.shape, generator=generator)
        read = encoder.module(picture, mask, noise)
    assert levels.std() > 10
    # float32 in another order may round a level the other way
    assert np.abs(ours.astype(int) - levels).max() <= 1
    # float32's seven digits; the noise adds its 3e-7 and no more
    torch.testing.assert_close(read, encoded, rtol=1e-5, atol=2e-6)


def test_its_ports_are_those_of_the_vae_it_was_distilled_from(tmp_path: Path) -> None:
    made(tmp_path, latent_channels=16)
    space = KNOWN_SPACES["sd3"]
    whole = AutoencoderKL(latent_channels=16, block_out_channels=(32,) * 4)
    for ours, theirs in zip(
        reversed(components(tmp_path, ExportOptions(space="sd3"))), vae_components(whole, space, SD), strict=True
    ):
        assert (ours.name, ours.inputs, ours.outputs) == (theirs.name, theirs.inputs, theirs.outputs)
        assert ours.spaces == (space,)


def test_a_space_that_is_in_no_table_is_that_of_a_bundle(tmp_path: Path) -> None:
    made(tmp_path)
    house = LatentSpace(name="house", channels=4, downscale=8, scaling=0.5, shift=0.25, weights="0" * 64)
    decoder, _ = components(tmp_path, ExportOptions(space=house))
    assert decoder.inputs == (latent_port(house),)


def test_it_computes_in_half_precision_where_that_is_asked_for(tmp_path: Path) -> None:
    made(tmp_path)
    made_of = components(tmp_path, ExportOptions(space="sd", dtype="float16"))
    assert [part.computes_in("float16") for part in made_of] == ["float16", "float16"]


def test_a_config_from_before_a_setting_existed_means_its_default(tmp_path: Path) -> None:
    made(tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    for key in ("block_out_channels", "shift_factor", "scaling_factor", "upsample_fn", "num_encoder_blocks"):
        del config[key]
    path.write_text(json.dumps(config))
    assert components(tmp_path, SD)[0].spaces == (KNOWN_SPACES["sd"],)


@pytest.mark.parametrize(
    ("arguments", "space", "said"),
    [
        ({}, None, r"do not say which; known with 4 channels, /8: sd \(.*--space sd\|sdxl"),
        ({}, "house", r"--space house names no known one; known with 4 channels, /8: sd \(.*--space-of"),
        ({}, "flux1", r"--space flux1 means 16 channels.*the VAE has 4 channels, /8"),
        ({}, KNOWN_SPACES["sd3"], r"--space-of means sd3 \(16 channels.*the VAE has 4 channels, /8"),
        ({"latent_channels": 7}, None, r"known with 7 channels, /8: none\. Say so with --space-of"),
    ],
)
def test_its_space_is_what_the_user_says_and_never_guessed(
    tmp_path: Path, arguments: dict[str, Any], space: str | LatentSpace | None, said: str
) -> None:
    made(tmp_path, **arguments)
    with pytest.raises(CheckpointError, match=said):
        components(tmp_path, ExportOptions(space=space))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"latent_channels": "4"}, "latent_channels '4'; expected a whole number"),
        ({"encoder_block_out_channels": []}, r"encoder_block_out_channels \[\] and num_encoder_blocks"),
        ({"decoder_block_out_channels": [8, 8]}, "expected two lists of whole numbers, of the same length"),
        ({"upsampling_scaling_factor": 3}, "an encoder of 4 levels, /8, and a decoder of 4 levels with ups.* 3, x27"),
        ({"scaling_factor": 0}, "scaling_factor 0 and shift_factor 0.0; expected a number above 0 and a number"),
        ({"shift_factor": "0"}, "shift_factor '0'"),
    ],
)
def test_a_config_that_describes_no_tiny_vae_is_refused_before_its_network_is_made(
    tmp_path: Path, config: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    monkeypatch.setattr(Checkpoint, "network", None)
    with pytest.raises(CheckpointError, match=said):
        components(tmp_path, SD)


@pytest.mark.parametrize(("option", "value"), [("prediction", "epsilon"), ("tokenizer", Path()), ("clip_skip", 1)])
def test_what_only_a_whole_model_has_cannot_be_asked_of_it(tmp_path: Path, option: str, value: Any) -> None:
    made(tmp_path / "vae")
    with pytest.raises(LatentLinkError, match=r"holds a VAE alone|reads no hidden states"):
        export_checkpoint(tmp_path / "vae", tmp_path / "out", options=ExportOptions(space="sd", **{option: value}))
