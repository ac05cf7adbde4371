"""The shallow denoiser beside the whole one, in torch: same weights, same numbers, nothing read that is not needed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from latentlink.errors import UsageError
from latentlink.export.checkpoints import ExportOptions
from latentlink.export.graphs import Component
from latentlink.export.parts import SizedUNet, TextUNet, denoiser_component
from latentlink.spaces import KNOWN_SPACES, TextEmbedding

SPACE = KNOWN_SPACES["sd"]
SIZES = {"B": 2, "N": 4, "S": 7, "h": 8, "w": 12}
SMALL: dict[str, Any] = {
    "block_out_channels": (8, 16),
    "layers_per_block": 2,
    "norm_num_groups": 4,
    "cross_attention_dim": 12,
    "attention_head_dim": 4,
}
CROSS = {
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
}
PLAIN = {
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
}
WORDS = TextEmbedding(name="words", width=12, weights="3" * 64)
POOLED = TextEmbedding(name="sentence", width=5, output="pooled", weights="4" * 64)


def with_cache(network: nn.Module, layers: int | None, texts: tuple[TextEmbedding, ...], **more: Any) -> Component:
    return denoiser_component(network, options=ExportOptions(step_cache=layers), space=SPACE, texts=texts, **more)


def small(**blocks: Any) -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(**SMALL, **blocks).eval()


def run(component: Component, given: dict[str, Tensor]) -> dict[str, Tensor]:
    with torch.no_grad():
        made = component.module(*(given[port.tensor] for port in component.inputs))
    return {port.tensor: tensor for port, tensor in zip(component.outputs, made, strict=True)}


def example(component: Component) -> dict[str, Tensor]:
    return {port.tensor: t for port, t in zip(component.inputs, component.example(SIZES, seed=1), strict=True)}


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("blocks", [CROSS, PLAIN])
def test_on_its_own_feature_the_shallow_denoiser_is_the_whole_one(layers: int, blocks: dict[str, Any]) -> None:
    network = TextUNet(small(**blocks))
    plain, whole = with_cache(network, None, (WORDS,)), with_cache(network, layers, (WORDS,))
    assert whole.shallow is not None
    given = example(whole)
    made = run(whole, given)
    *_, feature = whole.outputs
    assert feature.kind == "feature"
    assert made[feature.tensor].shape == tuple(SIZES.get(str(d), d) for d in feature.shape)
    expected = run(plain, given)
    assert all(torch.equal(made[name], tensor) for name, tensor in expected.items())
    again = run(whole.shallow, {**given, feature.tensor: made[feature.tensor]})
    assert all(torch.equal(again[name], tensor) for name, tensor in expected.items())
    # and what it makes depends on the feature it is given
    other = run(whole.shallow, {**given, feature.tensor: 2 * made[feature.tensor]})
    assert not any(torch.equal(other[name], tensor) for name, tensor in expected.items())


@pytest.mark.parametrize(("blocks", "layers", "reads"), [(CROSS, 1, True), (PLAIN, 1, False), (PLAIN, 2, False)])
def test_it_reads_text_only_where_its_layers_do(blocks: dict[str, Any], layers: int, reads: bool) -> None:
    shallow = with_cache(TextUNet(small(**blocks)), layers, (WORDS,)).shallow
    assert shallow is not None
    assert any(port.name == "words" for port in shallow.inputs) is reads


def test_a_network_that_is_told_sizes_keeps_its_pooled_text() -> None:
    embedded = {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 2,
        "projection_class_embeddings_input_dim": 5 + 2 * 2,
    }
    network = SizedUNet(small(**PLAIN, **embedded), texts=1, sizes=(True,), downscale=8)
    whole = with_cache(network, 1, (WORDS, POOLED), conditions={"size": 2})
    assert whole.shallow is not None
    kinds = [port.name for port in whole.shallow.inputs if port.kind in ("text", "condition")]
    assert kinds == ["sentence", "size"]
    given = example(whole)
    made = run(whole, given)
    again = run(whole.shallow, {**given, **made})
    assert all(torch.equal(tensor, made[name]) for name, tensor in again.items())


def test_other_weights_and_another_place_are_another_feature() -> None:
    unet = small(**CROSS)
    one, two = (with_cache(TextUNet(unet), layers, (WORDS,)).outputs[-1].digest for layers in (1, 2))
    with torch.no_grad():
        unet.mid_block.resnets[0].conv1.weight[0, 0, 0, 0] += 1
    other = with_cache(TextUNet(unet), 1, (WORDS,)).outputs[-1].digest
    assert len({one, two, other}) == 3


def test_what_cannot_be_cut_is_refused() -> None:
    with pytest.raises(UsageError, match=r"Received 3 layers of the last block .* has 3, expected 1 to 2"):
        with_cache(TextUNet(small(**CROSS)), 3, (WORDS,))
    with pytest.raises(UsageError, match="this denoiser is not a UNet"):
        with_cache(nn.Identity(), 1, (WORDS,))
    with pytest.raises(UsageError, match="step_cache 0; expected a whole number of layers from 1"):
        ExportOptions(step_cache=0)
