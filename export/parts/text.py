"""Text encoders as typed components: from token ids to the hidden states and pooled vectors that denoisers read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.graphs import DTYPES, Component, Tokenizer, TypedModule
from latentlink.export.parts.identity import text_embedding
from latentlink.ports import text_port, tokens_port
from latentlink.spaces import TextEmbedding


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedEncoder:
    """A published text encoder.

    Args:
        name: Name in its embeddings' symbols.
        config: Values by which its config is recognised.
    """

    name: str
    config: dict[str, object]


CLIP_L = PublishedEncoder(name="clip_l", config={"hidden_size": 768, "num_hidden_layers": 12, "vocab_size": 49408})
CLIP_H = PublishedEncoder(name="openclip_h", config={"hidden_size": 1024, "num_hidden_layers": 23, "vocab_size": 49408})
CLIP_G = PublishedEncoder(name="openclip_g", config={"hidden_size": 1280, "num_hidden_layers": 32, "vocab_size": 49408})
T5_XXL = PublishedEncoder(name="t5_xxl", config={"d_model": 4096, "num_layers": 24, "vocab_size": 32128})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hidden:
    """Hidden states of every token.

    Args:
        skip: Last layers to skip; 0 is the last layer's output.
        norm: Whether the final layer norm follows.
    """

    skip: int = 0
    norm: bool = True

    @property
    def output(self) -> str:
        """Name of the output in the embedding's symbol."""
        if self.norm:
            return "last" if self.skip == 0 else f"skip{self.skip}-normed"
        return "penultimate" if self.skip == 1 else f"skip{self.skip}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled:
    """One vector per prompt, that of its end token.

    Args:
        projected: Whether the model's projection follows; that is another embedding, even if it is as wide.
    """

    projected: bool = True

    @property
    def output(self) -> str:
        """Name of the output in the embedding's symbol."""
        return "projected" if self.projected else "pooled"


def text_encoder_component(
    checkpoint: Checkpoint,
    part: str,
    *,
    network: Any,
    known: PublishedEncoder,
    outputs: Sequence[Hidden | Pooled],
    tokenizer: Tokenizer,
    options: ExportOptions,
) -> Component:
    """Make a text encoder's component. `Component.embeddings` are the embeddings it writes, in the order of `outputs`.

    Args:
        checkpoint: Checkpoint that holds it.
        part: `text_encoder`, `text_encoder_2`, ...
        network: Class of transformers.
        known: Published encoder that it is compared with.
        outputs: Outputs that the family's denoiser reads.
        tokenizer: Tokenizer of the encoder.
        options: Options of the export.

    Raises:
        CheckpointError: The tokenizer gives ids that the encoder does not know, or the encoder cannot be read.
    """
    known_ids = int(checkpoint.settings(part)["vocab_size"])
    if (largest := tokenizer.largest_id) >= known_ids:
        raise CheckpointError(
            f"The tokenizer of {part} gives ids up to {largest}, but the encoder knows {known_ids} of them: tokens "
            "were added to the tokenizer alone.",
            remedy="Save the encoder with resized embeddings, or take the added tokens out of the tokenizer.",
        )
    model = checkpoint.network(part, network)
    config = model.config.to_dict()
    published = all(config.get(key) == value for key, value in known.config.items())
    state = {} if published else model.state_dict()
    embeddings = tuple(
        text_embedding(
            name=known.name if published else None,
            width=_width(model, output),
            output=output.output,
            state=state,
            label=checkpoint.label + part.removeprefix("text_encoder").replace("_", "-"),
        )
        for output in outputs
    )
    return Component(
        name=part,
        module=_Encode(model, outputs, DTYPES[options.io_dtype]).eval(),
        inputs=(tokens_port(embeddings[0].name, tokenizer.max_length, tokenizer.sha256),),
        outputs=tuple(text_port(embedding, options.io_dtype) for embedding in embeddings),
        vocabulary=config["vocab_size"],
        tokenizer=tokenizer,
        embeddings=embeddings,
    )


def embedding_of(component: Component, output: str) -> TextEmbedding:
    """The embedding of an output."""
    return next(embedding for embedding in component.embeddings if embedding.output == output)


def _width(model: Any, output: Hidden | Pooled) -> int:
    projected = isinstance(output, Pooled) and output.projected
    return int(model.config.projection_dim if projected else model.config.hidden_size)


class _Encode(TypedModule):
    """Token ids int32 `[N, L]` to hidden states `[N, L, D]` and pooled vectors `[N, D]`, in the order of `outputs`."""

    def __init__(self, model: nn.Module, outputs: Sequence[Hidden | Pooled], interface_dtype: torch.dtype) -> None:
        super().__init__(model)
        self.outputs = tuple(outputs)
        self.interface_dtype = interface_dtype

    def forward(self, tokens: Tensor) -> tuple[Tensor, ...]:
        result = self.core(input_ids=tokens.long(), output_hidden_states=True)
        return tuple(self._read(result, output).to(self.interface_dtype) for output in self.outputs)

    def _read(self, result: Any, output: Hidden | Pooled) -> Tensor:
        if isinstance(output, Pooled):
            pooled: Tensor = result.text_embeds if output.projected else result.pooler_output
            return pooled
        if output.norm and output.skip == 0:
            last: Tensor = result.last_hidden_state
            return last
        hidden: Tensor = result.hidden_states[-(output.skip + 1)]
        if output.norm:
            clip: Any = getattr(self.core, "text_model", self.core)
            hidden = clip.final_layer_norm(hidden)
        return hidden
