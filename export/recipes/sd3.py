"""Stable Diffusion 3 and 3.5 (Esser et al., 2024): a flow-matching transformer that reads two CLIPs and T5.

The network can do without T5, the largest part by far: if the checkpoint has none, or the user leaves out
`text_encoder_3`, zeros take its place, as in diffusers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.graphs import Component
from latentlink.export.parts import (
    CLIP_G,
    CLIP_L,
    T5_XXL,
    Hidden,
    Pooled,
    check_channels,
    check_width,
    clip_tokenizer,
    default_sampler,
    denoiser_component,
    embedding_of,
    flow_schedule,
    load_vae,
    t5_tokenizer,
    text_encoder_component,
    trained_size,
    vae_components,
    vae_layout,
)
from latentlink.export.recipes.recipe import VAE_HALVES, Recipe
from latentlink.spaces import KNOWN_SPACES, TextEmbedding

CLASSES = {
    "transformer": "SD3Transformer2DModel",
    "text_encoder": "CLIPTextModelWithProjection",
    "text_encoder_2": "CLIPTextModelWithProjection",
    "vae": "AutoencoderKL",
}
NAMES = ("vae_encoder", "vae_decoder", "text_encoder", "text_encoder_2", "text_encoder_3", "denoiser")
PIPELINES = ("StableDiffusion3Pipeline", "StableDiffusion3Img2ImgPipeline", "StableDiffusion3InpaintPipeline")
AFFINE = ("scaling_factor", "shift_factor")
T5_LENGTH = 256
JOINT = {"joint_attention_dim": 4096, "in_channels": 16, "pooled_projection_dim": 2048}


def matches(checkpoint: Checkpoint) -> bool:
    """Whether the parts are this family's, with or without T5."""
    return {part: checkpoint.classes.get(part) for part in CLASSES} == CLASSES


def sampling(checkpoint: Checkpoint) -> Mapping[str, Any]:
    """The manifest's `sampling`."""
    transformer, scheduler = _transformer_config(checkpoint), checkpoint.config("scheduler")
    (_, factor), patch = vae_layout(checkpoint.config("vae")), transformer["patch_size"]
    side = trained_size(transformer, 128)[0] * factor
    return {
        "schedule": {**flow_schedule(scheduler), "token_side": factor * patch},
        "sampler": default_sampler(scheduler, "flow_euler"),
        "steps": 28,
        "guidance": 7.0,
        "width": side,
        "height": side,
        "size_multiple": factor * patch,
    }


def components(checkpoint: Checkpoint, options: ExportOptions) -> Iterator[Component]:
    """The components, each loaded on demand."""
    from diffusers import SD3Transformer2DModel
    from transformers import CLIPTextModelWithProjection, T5EncoderModel

    transformer = checkpoint.settings("transformer")
    known_sizes = all(transformer.get(key) == value for key, value in JOINT.items())
    vae, space = load_vae(checkpoint, options, candidate=KNOWN_SPACES["sd3"] if known_sizes else None, affine=AFFINE)
    yield from vae_components(vae, space, options)
    del vae
    hidden, t5 = Hidden(skip=options.clip_skip + 1, norm=False), "text_encoder_3" in RECIPE.present(checkpoint, options)
    hiddens: list[TextEmbedding] = []
    pooled: list[TextEmbedding] = []
    for part, tokenizer, known in (("text_encoder", "tokenizer", CLIP_L), ("text_encoder_2", "tokenizer_2", CLIP_G)):
        component = text_encoder_component(
            checkpoint,
            part,
            network=CLIPTextModelWithProjection,
            known=known,
            outputs=(hidden, Pooled()),
            tokenizer=clip_tokenizer(
                checkpoint.folder(tokenizer), 77, "truncate" if t5 else "refuse", inversions=False
            ),
            options=options,
        )
        hiddens.append(embedding_of(component, hidden.output))
        pooled.append(embedding_of(component, Pooled().output))
        yield component
        del component
    if t5:
        component = text_encoder_component(
            checkpoint,
            "text_encoder_3",
            network=T5EncoderModel,
            known=T5_XXL,
            outputs=(Hidden(),),
            tokenizer=t5_tokenizer(checkpoint.folder("tokenizer_3"), T5_LENGTH),
            options=options,
        )
        hiddens += component.embeddings
        yield component
        del component
    yield denoiser_component(
        JointTransformer(checkpoint.network("transformer", SD3Transformer2DModel), t5=t5),
        options=options,
        space=space,
        texts=(*hiddens, *pooled),
        tokens={hiddens[-1].name: "L"} if t5 else None,
    )


def _transformer_config(checkpoint: Checkpoint) -> Mapping[str, Any]:
    """The transformer's config with the defaults of its class.

    Raises:
        CheckpointError: It reads something that no port has, or parts do not fit together.
    """
    config = checkpoint.settings("transformer")
    check_channels(checkpoint, "transformer")
    clips = ("text_encoder", "text_encoder_2")
    check_width(checkpoint, "transformer", "pooled_projection_dim", clips, "projection_dim")
    if "text_encoder_3" in checkpoint.classes:
        check_width(checkpoint, "transformer", "joint_attention_dim", ("text_encoder_3",), "d_model")
    return config


class JointTransformer(nn.Module):
    """`(latent, timestep, clip_l, clip_g[, t5], pooled_l, pooled_g)` to the prediction; pads and joins the texts."""

    def __init__(self, transformer: Any, *, t5: bool) -> None:
        super().__init__()
        self.transformer, self.t5 = transformer, t5
        # Its own crop starts at (most - side) // 2, which the exporter rewrites as the floor of a negative number, but
        # ONNX rounds that towards zero.
        transformer.pos_embed.cropped_pos_embed = self._positions

    def _positions(self, height: int, width: int) -> Tensor:
        """The middle of the position table for latents of this size: `[1, tokens, D]`."""
        embed = self.transformer.pos_embed
        most = embed.pos_embed_max_size
        table = embed.pos_embed.reshape(most, most, -1)
        rows, columns = (_middle(side // embed.patch_size, most) for side in (height, width))
        middle: Tensor = table[rows][:, columns].reshape(1, -1, table.shape[-1])
        return middle

    def forward(self, latent: Tensor, timestep: Tensor, *texts: Tensor) -> Tensor:
        width = self.transformer.config.joint_attention_dim
        clip = torch.cat(texts[:2], dim=-1)
        clip = nn.functional.pad(clip, (0, width - clip.shape[-1]))
        last = texts[2] if self.t5 else clip.new_zeros(clip.shape[0], T5_LENGTH, width)
        prediction: Tensor = self.transformer(
            latent,
            timestep=timestep,
            encoder_hidden_states=torch.cat([clip, last], dim=1),
            pooled_projections=torch.cat(texts[-2:], dim=-1),
            return_dict=False,
        )[0]
        return prediction


def _middle(count: int, most: int) -> Tensor:
    """The middle `count` of the numbers from 0 to `most`."""
    return torch.arange(count) + (most - torch.full((1,), count)) // 2


RECIPE = Recipe(
    title="Stable Diffusion 3 and 3.5",
    names=NAMES,
    matches=matches,
    components=components,
    sampling=sampling,
    optional=(*VAE_HALVES, "text_encoder_3"),
    clip_skip=1,
    classes=CLASSES,
    pipelines=PIPELINES,
)
