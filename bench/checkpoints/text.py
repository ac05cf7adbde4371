"""The text encoders and their tokenizers.

Like the published ones, CLIP's configs name the tokens 0, 2 and 1 as first, last and padding, although they are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from latentlink.bench.checkpoints.specs import NetworkSpec, TokenizerSpec
from latentlink.bench.checkpoints.tokenizers import END

VOCABULARY = 700


def _clip(weights: str, kind: str, **config: Any) -> NetworkSpec:
    return NetworkSpec(
        kind=kind,
        weights=weights,
        config={
            "vocab_size": VOCABULARY,
            "max_position_embeddings": 77,
            "bos_token_id": 0,
            "eos_token_id": 2,
            "pad_token_id": 1,
            **config,
        },
    )


CLIP_L_SIZES: Mapping[str, int] = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "projection_dim": 768,
}
"""Sizes of the published CLIP ViT-L's text encoder."""


def clip_l(kind: str = "CLIPTextModel") -> NetworkSpec:
    """A small version of CLIP ViT-L's text encoder: the same weights in both classes, except for the projection."""
    return _clip(
        "clip-l",
        kind,
        hidden_size=36,
        intermediate_size=56,
        num_hidden_layers=3,
        num_attention_heads=3,
        projection_dim=36,
        hidden_act="quick_gelu",
    )


def clip_g() -> NetworkSpec:
    """A small version of OpenCLIP ViT-bigG's text encoder."""
    return _clip(
        "clip-g",
        "CLIPTextModelWithProjection",
        hidden_size=52,
        intermediate_size=72,
        num_hidden_layers=3,
        num_attention_heads=4,
        projection_dim=52,
        hidden_act="gelu",
    )


def clip_h() -> NetworkSpec:
    """A small version of OpenCLIP ViT-H's text encoder, which is published without its last layer."""
    return _clip(
        "clip-h",
        "CLIPTextModel",
        hidden_size=44,
        intermediate_size=60,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=28,
        hidden_act="gelu",
    )


T5_DIM = 92


def t5() -> NetworkSpec:
    """A small version of T5 v1.1's encoder; like the published one, its vocabulary is larger than its tokenizer's."""
    return NetworkSpec(
        kind="T5EncoderModel",
        weights="t5",
        config={
            "vocab_size": VOCABULARY + 12,
            "d_model": T5_DIM,
            "d_kv": 12,
            "d_ff": 60,
            "num_layers": 2,
            "num_heads": 3,
            "feed_forward_proj": "gated-gelu",
            "tie_word_embeddings": False,
        },
    )


CLIP_TOKENIZER = TokenizerSpec(kind="CLIPTokenizer", vocabulary=VOCABULARY, pad=END, length=77)
OPENCLIP_TOKENIZER = TokenizerSpec(kind="CLIPTokenizer", vocabulary=VOCABULARY, pad="!", length=77)
T5_TOKENIZER = TokenizerSpec(kind="T5TokenizerFast", vocabulary=VOCABULARY, pad="<pad>", length=512)
