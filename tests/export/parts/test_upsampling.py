"""UNets that take latents of any size, against diffusers' own."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel

from latentlink.export.checkpoints import ExportOptions
from latentlink.export.parts import TextUNet, denoiser_component
from latentlink.export.parts.upsampling import upsample_to_skips
from latentlink.spaces import KNOWN_SPACES, TextEmbedding

WORDS = TextEmbedding(name="words", width=12, weights="3" * 64)


def unet(levels: int, **config: Any) -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(
        **{
            "block_out_channels": (8,) * levels,
            "down_block_types": ("DownBlock2D",) * (levels - 1) + ("CrossAttnDownBlock2D",),
            "up_block_types": ("CrossAttnUpBlock2D",) + ("UpBlock2D",) * (levels - 1),
            "layers_per_block": 1,
            "norm_num_groups": 4,
            "cross_attention_dim": 12,
            "attention_head_dim": 4,
            **config,
        }
    ).eval()


@pytest.mark.parametrize("size", [(31, 23), (29, 15), (9, 17), (16, 24), (8, 9), (2, 6), (1, 1), (1, 8)])
@pytest.mark.parametrize("levels", [1, 2, 3, 4])
def test_a_unet_computes_what_diffusers_does_at_any_size(levels: int, size: tuple[int, int]) -> None:
    own = unet(levels)
    ours = deepcopy(own)
    assert upsample_to_skips(ours) == levels - 1
    assert own.state_dict().keys() == ours.state_dict().keys()
    given = torch.randn(1, 4, *size), torch.tensor([500.0]), torch.randn(1, 3, 12)
    with torch.no_grad():
        assert torch.equal(ours(*given, return_dict=False)[0], own(*given, return_dict=False)[0])


def test_a_unet_whose_blocks_only_double_stays_as_it_is() -> None:
    own = unet(2, up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"))
    before = [type(module) for module in own.modules()]
    assert upsample_to_skips(own) == 0
    assert [type(module) for module in own.modules()] == before


@pytest.mark.parametrize("layers", [None, 1])
def test_the_denoiser_says_how_often_it_halves_latents_and_its_shallow_network_too(layers: int | None) -> None:
    component = denoiser_component(
        TextUNet(unet(3)), options=ExportOptions(step_cache=layers), space=KNOWN_SPACES["sd"], texts=(WORDS,)
    )
    assert component.halvings == 2
    assert (component.shallow is None) == (layers is None)
    assert component.shallow is None or component.shallow.halvings == 2
