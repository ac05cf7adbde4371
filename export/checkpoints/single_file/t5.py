"""T5 encoders in transformers' names under a prefix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.networks.assemble import ConvertedState, State
from latentlink.export.checkpoints.single_file.header import PartShapes
from latentlink.export.checkpoints.single_file.layout import Layout

BLOCK = "encoder.block.0.layer."


def t5_config(shapes: PartShapes) -> dict[str, Any]:
    """The config of a T5EncoderModel of version 1.1, which has a gated feed-forward layer."""
    vocabulary, width = shapes.of("shared.weight", 2)
    buckets, heads = shapes.of(f"{BLOCK}0.SelfAttention.relative_attention_bias.weight", 2)
    inner = shapes.of(f"{BLOCK}0.SelfAttention.q.weight", 2)[0]
    if inner % heads:
        raise CheckpointError(f"{shapes.where} has queries {inner} wide for {heads} heads; expected a multiple.")
    return {
        "vocab_size": vocabulary,
        "d_model": width,
        "d_kv": inner // heads,
        "d_ff": shapes.of(f"{BLOCK}1.DenseReluDense.wi_0.weight", 2)[0],
        "num_layers": shapes.count("encoder.block."),
        "num_heads": heads,
        "relative_attention_num_buckets": buckets,
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
    }


def convert_t5(state: State, config: Mapping[str, Any], network: Any) -> ConvertedState:
    """A T5 encoder in transformers' names, with the embedding under both of its names."""
    # some files hold the embedding once
    return ConvertedState(state={"encoder.embed_tokens.weight": state["shared.weight"], **state})


T5 = Layout(evidence="shared.weight", config=t5_config, convert=convert_t5)
