"""FLUX.1 dev and schnell (Black Forest Labs, 2024): a flow-matching transformer over packed latents.

Packing into tokens, rotary positions and the embedding of guidance are inside the denoiser's graph; its ports carry the
latent in the VAE's shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.configs import NETWORKS, check_config
from latentlink.export.graphs import Component
from latentlink.export.parts import (
    CLIP_L,
    T5_XXL,
    Hidden,
    Pooled,
    check_channels,
    check_width,
    clip_tokenizer,
    default_sampler,
    denoiser_component,
    flow_schedule,
    load_vae,
    misfit,
    t5_tokenizer,
    text_encoder_component,
    vae_components,
    vae_layout,
)
from latentlink.export.recipes.recipe import Recipe
from latentlink.spaces import KNOWN_SPACES

CLASSES = {
    "transformer": "FluxTransformer2DModel",
    "text_encoder": "CLIPTextModel",
    "text_encoder_2": "T5EncoderModel",
    "vae": "AutoencoderKL",
}
NAMES = ("vae_encoder", "vae_decoder", "text_encoder", "text_encoder_2", "denoiser")
PIPELINES = ("FluxPipeline", "FluxImg2ImgPipeline", "FluxInpaintPipeline")
AFFINE = ("scaling_factor", "shift_factor")
TRANSFORMER = {"in_channels": 64, "joint_attention_dim": 4096, "pooled_projection_dim": 768}
PATCH = 2
SIDE = 1024


def matches(checkpoint: Checkpoint) -> bool:
    """Whether the parts are this family's."""
    return {part: checkpoint.classes.get(part) for part in CLASSES} == CLASSES


def sampling(checkpoint: Checkpoint) -> Mapping[str, Any]:
    """The manifest's `sampling`: the defaults of dev if guidance is embedded, else those of schnell."""
    multiple = vae_layout(checkpoint.config("vae"))[1] * PATCH
    guided = bool(_transformer_config(checkpoint)["guidance_embeds"])
    scheduler = checkpoint.config("scheduler")
    return {
        "schedule": {**flow_schedule(scheduler), "token_side": multiple, "sigma_grid": "uniform"},
        "sampler": default_sampler(scheduler, "flow_euler"),
        "steps": 28 if guided else 4,
        "guidance": 3.5 if guided else 0.0,
        "width": SIDE,
        "height": SIDE,
        "size_multiple": multiple,
    }


def components(checkpoint: Checkpoint, options: ExportOptions) -> Iterator[Component]:
    """The five components, each loaded on demand."""
    from diffusers import FluxTransformer2DModel
    from transformers import CLIPTextModel, T5EncoderModel

    transformer = checkpoint.settings("transformer")
    guided = bool(transformer["guidance_embeds"])
    known = all(transformer.get(key) == value for key, value in TRANSFORMER.items())
    vae, space = load_vae(checkpoint, options, candidate=KNOWN_SPACES["flux1"] if known else None, affine=AFFINE)
    yield from vae_components(vae, space, options)
    del vae
    first = text_encoder_component(
        checkpoint,
        "text_encoder",
        network=CLIPTextModel,
        known=CLIP_L,
        outputs=(Pooled(projected=False),),
        tokenizer=clip_tokenizer(checkpoint.folder("tokenizer"), 77, "truncate"),
        options=options,
    )
    pooled = first.embeddings
    yield first
    del first
    second = text_encoder_component(
        checkpoint,
        "text_encoder_2",
        network=T5EncoderModel,
        known=T5_XXL,
        outputs=(Hidden(),),
        tokenizer=t5_tokenizer(checkpoint.folder("tokenizer_2"), 512 if guided else 256, inversions=True),
        options=options,
    )
    hidden = second.embeddings
    yield second
    del second
    yield denoiser_component(
        PackedTransformer(checkpoint.network("transformer", FluxTransformer2DModel)),
        options=options,
        space=space,
        texts=(*hidden, *pooled),
        guidance="embedded" if guided else None,
    )


def _transformer_config(checkpoint: Checkpoint) -> Mapping[str, Any]:
    """The transformer's config with the defaults of its class.

    Raises:
        CheckpointError: It reads something that no port has, or parts do not fit together.
    """
    config = checkpoint.settings("transformer")
    check_config(
        config,
        NETWORKS["FluxTransformer2DModel"],
        what="transformer",
        remedy="No recipe packs latents so.",
    )
    check_channels(checkpoint, "transformer", patch=PATCH)
    head, axes = config["attention_head_dim"], config["axes_dims_rope"]
    if len(axes) != 3 or sum(axes) != head or any(axis < 2 or axis % 2 for axis in axes):
        raise misfit("transformer", "axes_dims_rope", axes, f"3 even numbers with the sum {head}, as of its heads")
    check_width(checkpoint, "transformer", "pooled_projection_dim", ("text_encoder",), "hidden_size")
    check_width(checkpoint, "transformer", "joint_attention_dim", ("text_encoder_2",), "d_model")
    return config


class PackedTransformer(nn.Module):
    """From `(latent [B, C, h, w], timestep [B], text [B, S, D], pooled [B, P][, w [B]])` to velocity `[B, C, h, w]`."""

    def __init__(self, transformer: Any) -> None:
        super().__init__()
        self.transformer = transformer

    def forward(self, latent: Tensor, timestep: Tensor, text: Tensor, pooled: Tensor, *guidance: Tensor) -> Tensor:
        batch, channels, height, width = latent.shape
        rows, columns = height // PATCH, width // PATCH
        tokens = latent.view(batch, channels, rows, PATCH, columns, PATCH).permute(0, 2, 4, 1, 3, 5)
        tokens = tokens.reshape(batch, rows * columns, channels * PATCH**2)
        y = torch.arange(rows, dtype=torch.float32)[:, None].expand(rows, columns).reshape(-1)
        x = torch.arange(columns, dtype=torch.float32)[None].expand(rows, columns).reshape(-1)
        velocity: Tensor = self.transformer(
            hidden_states=tokens,
            # the network multiplies by 1000
            timestep=timestep / 1000,
            guidance=guidance[0] if guidance else None,
            pooled_projections=pooled,
            encoder_hidden_states=text,
            txt_ids=torch.zeros(text.shape[1], 3),
            img_ids=torch.stack([torch.zeros_like(y), y, x], dim=1),
            return_dict=False,
        )[0]
        patches = velocity.view(batch, rows, columns, channels, PATCH, PATCH).permute(0, 3, 1, 4, 2, 5)
        return patches.reshape(batch, channels, height, width)


RECIPE = Recipe(
    title="FLUX.1",
    names=NAMES,
    matches=matches,
    components=components,
    sampling=sampling,
    classes=CLASSES,
    pipelines=PIPELINES,
)
