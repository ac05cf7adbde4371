"""What a diffusers checkpoint consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

CONFIGS: Mapping[str, str] = {
    "CLIPTextModel": "CLIPTextConfig",
    "CLIPTextModelWithProjection": "CLIPTextConfig",
    "T5EncoderModel": "T5Config",
}
"""The config class of every class of transformers that a checkpoint may hold; all others are diffusers' own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpec:
    """A network of a checkpoint.

    Args:
        kind: Name of its class in diffusers or transformers.
        config: The arguments of the class, or of its config class.
        weights: Two networks of equal architecture have equal weights where this and the checkpoint's seed are equal.
        absent: Keys that the published config leaves out, so that their meaning is the class's default.
    """

    kind: str
    config: Mapping[str, Any]
    weights: str
    absent: tuple[str, ...] = ()

    @property
    def library(self) -> str:
        """The package that the class is from."""
        return "transformers" if self.kind in CONFIGS else "diffusers"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerSpec:
    """A tokenizer of a checkpoint.

    Args:
        kind: Name of its class in transformers.
        vocabulary: Number of tokens.
        pad: The padding token.
        length: Most tokens of a prompt.
    """

    kind: Literal["CLIPTokenizer", "T5TokenizerFast"]
    vocabulary: int
    pad: str
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSpec:
    """A diffusers directory.

    Args:
        pipeline: Name of the pipeline's class.
        scheduler: Config of the scheduler, `_class_name` included.
        networks: By name of their folder; None is a part that the pipeline can do without, and does.
        tokenizers: By name of their folder, as above.
        flags: What else model_index.json says.
    """

    pipeline: str
    scheduler: Mapping[str, Any]
    networks: Mapping[str, NetworkSpec | None]
    tokenizers: Mapping[str, TokenizerSpec | None]
    flags: Mapping[str, Any] = field(default_factory=dict)

    def index(self) -> dict[str, Any]:
        """The contents of model_index.json, the version of diffusers apart."""
        parts: dict[str, Any] = {"scheduler": ["diffusers", self.scheduler["_class_name"]]}
        for name, network in self.networks.items():
            parts[name] = [None, None] if network is None else [network.library, network.kind]
        for name, tokenizer in self.tokenizers.items():
            parts[name] = [None, None] if tokenizer is None else ["transformers", tokenizer.kind]
        return {"_class_name": self.pipeline, **dict(sorted({**parts, **self.flags}.items()))}
