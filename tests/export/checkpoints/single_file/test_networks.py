"""Networks from single files: the same bits as from the directory that the file was written from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.checkpoints.directory.loading import load_network
from latentlink.export.checkpoints.single_file.flux import convert_flux

if TYPE_CHECKING:
    from tests.export.conftest import Published

PARTS = [
    (family, part)
    for family, parts in {
        "sd1": ("unet", "vae", "text_encoder"),
        "sd1-inpainting": ("unet",),
        "sd2": ("unet", "text_encoder"),
        "sdxl": ("unet", "text_encoder", "text_encoder_2"),
        "sdxl-refiner": ("unet", "text_encoder_2"),
        "sd3": ("transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3"),
        "flux-dev": ("transformer", "vae", "text_encoder", "text_encoder_2"),
    }.items()
    for part in parts
]


def inputs(part: str, config: Any) -> dict[str, Any]:
    """Small random inputs of a network, by the names of its arguments."""
    generator = torch.Generator().manual_seed(3)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    if part.startswith("text_encoder"):
        return {"input_ids": torch.randint(0, 90, (2, 7), generator=generator)}
    if part == "vae":
        return {"sample": noise(1, 3, 16, 16)}
    if part == "unet":
        vector = config["projection_class_embeddings_input_dim"]
        sized = {"text_embeds": noise(2, 1280), "time_ids": noise(2, (vector - 1280) // 256)} if vector else {}
        return {
            "sample": noise(2, config["in_channels"], 8, 8),
            "timestep": torch.tensor([7, 800]),
            "encoder_hidden_states": noise(2, 5, config["cross_attention_dim"]),
            "added_cond_kwargs": sized,
        }
    texts = {
        "encoder_hidden_states": noise(2, 5, config["joint_attention_dim"]),
        "pooled_projections": noise(2, config["pooled_projection_dim"]),
    }
    if "guidance_embeds" in config:
        ids = {"img_ids": noise(6, 3), "txt_ids": noise(5, 3), "guidance": torch.tensor([3.5, 1.0])}
        return {"hidden_states": noise(2, 6, 64), "timestep": torch.tensor([0.3, 0.9]), **texts, **ids}
    return {"hidden_states": noise(2, 16, 8, 12), "timestep": torch.tensor([7, 800]), **texts}


@pytest.mark.parametrize(("family", "part"), PARTS)
def test_a_network_computes_the_same_bits_from_the_file_as_from_the_directory(
    published: Callable[[str], Published], family: str, part: str
) -> None:
    import diffusers
    import transformers

    made = published(family)
    name = made.parts[part][0]
    cls = getattr(diffusers, name, None) or getattr(transformers, name)
    options = ExportOptions(prediction="epsilon" if family == "sd2" else None)
    from_file = Checkpoint.open(made.file, options).network(part, cls)
    from_directory = load_network(cls, made.directory / part)
    assert {t.dtype for t in from_file.parameters()} == {torch.float32}
    assert not from_file.training
    arguments = inputs(part, from_directory.config)
    with torch.no_grad():
        found, wanted = (network(**arguments, return_dict=False) for network in (from_file, from_directory))
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert torch.equal(one, other)


def test_a_clip_of_the_early_files_is_read_whose_names_leave_text_model_out(
    published: Callable[[str], Published], tmp_path: Path
) -> None:
    from transformers import CLIPTextModel

    prefix = "cond_stage_model.transformer."
    state = load_file(published("sd1").file)
    early = {name.replace(f"{prefix}text_model.", prefix): tensor for name, tensor in state.items()}
    assert early.keys() != state.keys()
    save_file(early, tmp_path / "early.safetensors")
    found = Checkpoint.open(tmp_path / "early.safetensors", ExportOptions()).network("text_encoder", CLIPTextModel)
    wanted = Checkpoint.open(published("sd1").file, ExportOptions()).network("text_encoder", CLIPTextModel)
    for name, tensor in wanted.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor), name


def test_flux_transformers_are_converted_as_diffusers_does_at_the_published_width() -> None:
    from diffusers.loaders.single_file_utils import convert_flux_transformer_checkpoint_to_diffusers

    # the published rows in one column each: a conversion splits rows and reads no columns
    width, state = 3072, {}
    rows = {
        "double_blocks.0.img_attn.qkv": 3 * width,
        "double_blocks.0.txt_attn.qkv": 3 * width,
        "single_blocks.0.linear1": 7 * width,
        "final_layer.adaLN_modulation.1": 2 * width,
    }
    layers = [
        *("time_in.in_layer", "time_in.out_layer", "vector_in.in_layer", "vector_in.out_layer", "guidance_in.in_layer"),
        *("guidance_in.out_layer", "txt_in", "img_in", "final_layer.linear", "final_layer.adaLN_modulation.1"),
        *(f"double_blocks.0.{side}_{name}" for side in ("img", "txt") for name in ("mod.lin", "attn.qkv", "attn.proj")),
        *(f"double_blocks.0.{side}_mlp.{number}" for side in ("img", "txt") for number in (0, 2)),
        *(f"single_blocks.0.{name}" for name in ("modulation.lin", "linear1", "linear2")),
    ]
    for layer in layers:
        for kind in ("weight", "bias"):
            state[f"{layer}.{kind}"] = torch.randn(rows.get(layer, 4), *([1] if kind == "weight" else []))
    for block in ("double_blocks.0.img_attn.", "double_blocks.0.txt_attn.", "single_blocks.0."):
        for norm in ("query_norm", "key_norm"):
            state[f"{block}norm.{norm}.scale"] = torch.randn(128)
    found = convert_flux(dict(state), {"num_attention_heads": 24, "attention_head_dim": 128}, None)
    wanted = convert_flux_transformer_checkpoint_to_diffusers(dict(state))
    assert found.unused == ()
    assert found.state.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert torch.equal(found.state[name], tensor), name
