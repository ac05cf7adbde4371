"""A component before it is written to ONNX: a torch module and the ports that its tensors become."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from latentlink.errors import CheckpointError
from latentlink.export.graphs.typed import TypedModule
from latentlink.ports import Port
from latentlink.spaces import LatentSpace, TextEmbedding

DTYPES: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "uint8": torch.uint8,
    "int32": torch.int32,
    "int64": torch.int64,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokenizer:
    """How prompts become a text encoder's token ids.

    Args:
        text: Content of a `tokenizer.json`, the format of the `tokenizers` library.
        max_length: Number of tokens the encoder reads, start and end included.
        start_id: First token of every prompt.
        end_id: Last token of every prompt.
        pad_id: Token that pads up to `max_length`.
        overflow: How longer prompts are handled, see `latentlink.engine.bundle.manifest.TokenizerEntry`.
        vectors: Words that stand for several tokens, and how many, see there.
    """

    text: str
    max_length: int
    start_id: int | None
    end_id: int | None
    pad_id: int
    overflow: str = "refuse"
    vectors: Mapping[str, int] = field(default_factory=dict)

    @property
    def largest_id(self) -> int:
        """The largest id that it may give."""
        from tokenizers import Tokenizer as Reader

        found = Reader.from_str(self.text).get_vocab(with_added_tokens=True)
        special = (one for one in (self.start_id, self.end_id, self.pad_id) if one is not None)
        return max(*found.values(), *special)

    @property
    def sha256(self) -> str:
        """Digest of the text as UTF-8."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A module and its ports.

    Args:
        name: `text_encoder`, `text_encoder_2`, `denoiser`, `vae_decoder`, `vae_encoder`.
        module: float32, in eval mode; `forward` takes the inputs in order and returns the outputs in order.
        inputs: Ports of `forward`'s arguments, with free dimensions by name.
        outputs: Ports of its return values.
        vocabulary: Number of token ids, for a component that reads tokens.
        tokenizer: For a component that reads tokens.
        spaces: Latent spaces that the ports name.
        embeddings: Text embeddings that the ports name.
        overflows: Why the core must not compute in float16, if its numbers may pass 65,504; it then uses float32.
        halvings: How many times the module halves latents and rounds up, so that it takes any size.
        shallow: For a denoiser that writes a feature: the component that reads it, around the same weights.
    """

    name: str
    module: TypedModule
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    vocabulary: int = 0
    tokenizer: Tokenizer | None = None
    spaces: tuple[LatentSpace, ...] = ()
    embeddings: tuple[TextEmbedding, ...] = ()
    overflows: str = ""
    halvings: int = 0
    shallow: Component | None = None

    def computes_in(self, dtype: str) -> str:
        """Compute dtype of the core in an export to `dtype`."""
        return "float32" if self.overflows and dtype == "float16" else dtype

    def run(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Outputs of the module for the inputs, both in the ports' order, without gradients.

        Raises:
            CheckpointError: The network cannot compute with these weights and this config, or not to finite numbers.
        """
        try:
            with torch.no_grad():
                outputs = self.module(*inputs)
        except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError) as error:
            if isinstance(error, CheckpointError):
                raise
            reason = " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
            raise CheckpointError(
                f"The checkpoint's {self.name} cannot compute: {reason}.",
                remedy="Check its config; if diffusers runs this checkpoint, report it as a bug of the exporter.",
            ) from error
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        for port, tensor in zip(self.outputs, outputs, strict=True):
            if tensor.is_floating_point() and not tensor.isfinite().all():
                raise CheckpointError(
                    f"The checkpoint's {self.name} computes NaN or infinity in float32 ({port.tensor}).",
                    remedy="Its weights are damaged, or its config is not theirs: get the checkpoint again.",
                )
        return outputs

    def example(self, sizes: Mapping[str, int], seed: int) -> tuple[Tensor, ...]:
        """Inputs to trace and compare with: the ports' shapes at `sizes`, values in their usual range."""
        generator = torch.Generator().manual_seed(seed)
        return tuple(self.example_of(port, sizes, generator) for port in self.inputs)

    def example_of(self, port: Port, sizes: Mapping[str, int], generator: torch.Generator) -> Tensor:
        """The same for one input."""
        shape = [sizes[dim] if isinstance(dim, str) else dim for dim in port.shape]
        if port.kind == "image":
            return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
        if port.kind == "tokens":
            return torch.randint(0, self.vocabulary, shape, generator=generator, dtype=torch.int32)
        if port.kind == "guidance":
            return torch.full(shape, 5.0)
        if port.kind == "mask":
            return torch.randint(0, 2, shape, generator=generator).float()
        if port.kind == "condition":
            return torch.randint(1, 64, shape, generator=generator).float()
        if port.kind == "coefficients":
            # a step in the middle of sampling: every column matters, and each picture of the batch has its own row
            row = [501.0, 0.9, 1.1, -0.7, 0.8, 0.6, -0.3, 0.2, -0.1, 0.05, 0.4, 0.15, 0.3, 0.5, 0.6]
            return torch.tensor(row) + 0.01 * torch.arange(shape[0])[:, None]
        return torch.randn(shape, generator=generator).to(DTYPES[port.dtype])
