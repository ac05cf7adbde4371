"""TAESD and TAESDXL as published: their export computes what their author's code computes, on photographs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from latentlink.bench.sheets.compat import open_halves
from latentlink.bench.sheets.photographs import PHOTOGRAPHS, photograph
from latentlink.bench.sheets.tiny_vaes import SPACES
from latentlink.engine.quality import psnr
from tests.export.tiny_vaes import authors_decoder, authors_encoder

# Largest error of a latent, relative to the largest latent. torch's own float32 is as far from float64 as the export
# is: 1e-6 to 3e-6 for TAESD and 8e-6 to 2e-5 for TAESDXL; larger photographs reach 1e-5 and 1.1e-4.
LATENTS = {"taesd": 2e-5, "taesdxl": 2e-4}

# One number in 10,000 that rounds to the next level gives 88 dB. TAESD has 98 dB, TAESDXL 93 dB, larger photographs 78.
PICTURES = 75.0


def authors_code(weights: Path, name: str) -> tuple[nn.Module, nn.Module]:
    """Encoder and decoder as their author writes them, with the published weights."""
    encoder, decoder = authors_encoder(4), authors_decoder(4)
    for half, network in (("encoder", encoder), ("decoder", decoder)):
        network.load_state_dict(load_file(weights / "taesd" / f"{name}_{half}.safetensors"))
    return encoder.float(), decoder.float()


@pytest.mark.parametrize("name", SPACES)
def test_its_export_computes_what_its_authors_code_computes(
    name: str, weights: Path, tiny_vaes: Mapping[str, Path]
) -> None:
    encoder, decoder = authors_code(weights, name)
    with ExitStack() as stack, torch.no_grad():
        ours = open_halves(str(tiny_vaes[SPACES[name]]), stack)
        for shown in map(photograph, PHOTOGRAPHS[:2]):
            latents = encoder(torch.tensor(shown).permute(2, 0, 1)[None] / 255).numpy()
            encoded = ours.encode(shown)
            assert encoded is not None
            assert np.abs(encoded - latents).max() / np.abs(latents).max() < LATENTS[name]

            levels = (decoder(torch.from_numpy(latents)).clamp(0, 1) * 255).round()
            picture = levels[0].permute(1, 2, 0).numpy().astype(np.uint8)
            decoded = ours.decode(latents)
            assert decoded is not None
            assert np.abs(decoded.astype(int) - picture).max() <= 1
            assert psnr(picture, decoded) > PICTURES
            # it is a VAE of photographs, which a mistake that both codes shared would not be
            assert psnr(shown, decoded) > 21
