"""Stable Diffusion 1.x: UNet2DConditionModel, CLIPTextModel, AutoencoderKL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from latentlink.export.checkpoint import Checkpoint
from latentlink.export.component import DTYPES, Component
from latentlink.export.identity import latent_space, text_embedding
from latentlink.export.recipes.options import Options
from latentlink.export.schedule import default_sampler, training_schedule
from latentlink.export.step import Step
from latentlink.export.tokenizer import clip_tokenizer
from latentlink.export.typed import TypedModule
from latentlink.export.vae import Decoder, Encoder
from latentlink.ports import (
    HISTORY,
    coefficients_port,
    guidance_port,
    image_port,
    latent_port,
    text_port,
    tokens_port,
)
from latentlink.spaces import KNOWN_SPACES, LatentSpace, TextEmbedding

NAMES = ("text_encoder", "denoiser", "vae_decoder", "vae_encoder")

CLASSES = {"unet": "UNet2DConditionModel", "text_encoder": "CLIPTextModel", "vae": "AutoencoderKL"}

# What makes a checkpoint one of the published family, as far as configs can tell.
CLIP_L = {"hidden_size": 768, "num_hidden_layers": 12, "vocab_size": 49408}
KL_SD = {"latent_channels": 4, "block_out_channels": [128, 256, 512, 512]}
UNET = {"cross_attention_dim": 768, "in_channels": 4, "block_out_channels": [320, 640, 1280, 1280]}


def matches(checkpoint: Checkpoint) -> bool:
    """Whether the parts are this family's, and no more than these."""
    parts = {part: checkpoint.classes.get(part) for part in CLASSES}
    return parts == CLASSES and "text_encoder_2" not in checkpoint.classes


def sampling(checkpoint: Checkpoint) -> Mapping[str, Any]:
    """The manifest's `sampling`: the family's defaults, and the size the UNet was trained at."""
    unet, vae = checkpoint.config("unet"), checkpoint.config("vae")
    factor = 2 ** (len(vae["block_out_channels"]) - 1)
    side = int(unet.get("sample_size") or 64) * factor
    return {
        "schedule": training_schedule(checkpoint),
        "sampler": default_sampler(checkpoint, "pndm"),
        "steps": 50,
        "guidance": 7.5,
        "width": side,
        "height": side,
        "size_multiple": factor * 2 ** (len(unet["block_out_channels"]) - 1),
    }


def components(checkpoint: Checkpoint, options: Options) -> Iterator[Component]:
    """The four components. Each is loaded when it is asked for."""
    embedding, text_encoder = _text_encoder(checkpoint, options)
    yield text_encoder
    del text_encoder
    space, vae = _vae(checkpoint, options)
    yield _denoiser(checkpoint, options, space, embedding)
    yield _vae_decoder(vae, space, options)
    yield _vae_encoder(vae, space, options)


class _LastHidden(TypedModule):
    """CLIP text model: token ids int32 `[N, 77]` to its last hidden states after the final layer norm."""

    def __init__(self, model: nn.Module, interface_dtype: torch.dtype) -> None:
        super().__init__(model)
        self.interface_dtype = interface_dtype

    def forward(self, tokens: Tensor) -> Tensor:
        hidden: Tensor = self.core(input_ids=tokens.long())[0]
        return hidden.to(self.interface_dtype)


class _UNet(nn.Module):
    def __init__(self, unet: nn.Module) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, latent: Tensor, timestep: Tensor, text: Tensor) -> Tensor:
        prediction: Tensor = self.unet(latent, timestep, encoder_hidden_states=text, return_dict=False)[0]
        return prediction


class _Decode(nn.Module):
    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.post_quant_conv, self.decoder = vae.post_quant_conv, vae.decoder

    def forward(self, raw: Tensor) -> Tensor:
        picture: Tensor = self.decoder(raw if self.post_quant_conv is None else self.post_quant_conv(raw))
        return picture


class _Moments(nn.Module):
    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.encoder, self.quant_conv = vae.encoder, vae.quant_conv

    def forward(self, picture: Tensor) -> Tensor:
        hidden = self.encoder(picture)
        moments: Tensor = hidden if self.quant_conv is None else self.quant_conv(hidden)
        return moments


def _agrees(config: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    return all(config.get(key) == value for key, value in expected.items())


def _text_encoder(checkpoint: Checkpoint, options: Options) -> tuple[TextEmbedding, Component]:
    from transformers import CLIPTextModel

    model = checkpoint.network("text_encoder", CLIPTextModel)
    config = model.config
    embedding = text_embedding(
        name="clip_l" if _agrees(config.to_dict(), CLIP_L) else None,
        width=config.hidden_size,
        output="last",
        state=model.state_dict(),
        label=checkpoint.label,
    )
    tokenizer = clip_tokenizer(checkpoint.folder("tokenizer"), config.max_position_embeddings)
    return embedding, Component(
        name="text_encoder",
        module=_LastHidden(model, DTYPES[options.io_dtype]).eval(),
        inputs=(tokens_port(embedding.name, config.max_position_embeddings, tokenizer.sha256),),
        outputs=(text_port(embedding, options.io_dtype),),
        vocabulary=config.vocab_size,
        tokenizer=tokenizer,
        embeddings=(embedding,),
    )


def _vae(checkpoint: Checkpoint, options: Options) -> tuple[LatentSpace, nn.Module]:
    from diffusers import AutoencoderKL

    config = checkpoint.config("vae")
    published = _agrees(config, KL_SD) and _agrees(checkpoint.config("unet"), UNET)
    vae = checkpoint.network("vae", AutoencoderKL)
    space = latent_space(
        config=config,
        vae_state=vae.state_dict(),
        candidate=KNOWN_SPACES["sd"] if published else None,
        asked=options.space,
        label=checkpoint.label,
    )
    return space, vae


def _denoiser(checkpoint: Checkpoint, options: Options, space: LatentSpace, embedding: TextEmbedding) -> Component:
    from diffusers import UNet2DConditionModel

    unet = checkpoint.network("unet", UNet2DConditionModel)
    latent = latent_port(space, options.io_dtype)
    history = tuple(latent.at(f"history{age}") for age in range(1, HISTORY + 1))
    return Component(
        name="denoiser",
        module=Step(_UNet(unet), DTYPES[options.io_dtype]).eval(),
        inputs=(
            latent.at("x"),
            *history,
            latent.at("noise"),
            text_port(embedding, options.io_dtype),
            guidance_port(),
            coefficients_port(),
        ),
        outputs=(latent, latent.at("denoised")),
        spaces=(space,),
        embeddings=(embedding,),
    )


def _vae_decoder(vae: nn.Module, space: LatentSpace, options: Options) -> Component:
    return Component(
        name="vae_decoder",
        module=Decoder(_Decode(vae), space).eval(),
        inputs=(latent_port(space, options.io_dtype),),
        outputs=(image_port(),),
        spaces=(space,),
    )


def _vae_encoder(vae: nn.Module, space: LatentSpace, options: Options) -> Component:
    latent = latent_port(space, options.io_dtype)
    return Component(
        name="vae_encoder",
        module=Encoder(_Moments(vae), space, DTYPES[options.io_dtype]).eval(),
        inputs=(image_port(), latent.at("noise")),
        outputs=(latent,),
        spaces=(space,),
    )
