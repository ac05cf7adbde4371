"""Descriptions of diffusers checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

CONFIGS: Mapping[str, str] = {
    "CLIPTextModel": "CLIPTextConfig",
    "CLIPTextModelWithProjection": "CLIPTextConfig",
    "T5EncoderModel": "T5Config",
}
"""Config class by network class of transformers; all other networks are diffusers' classes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpec:
    """Description of a network.

    Args:
        kind: Name of its class in diffusers or transformers.
        config: Arguments of the class, or of its config class.
        weights: Name of the weights: at equal names and seeds, networks of equal architecture have equal weights.
        absent: Keys that the published config leaves out, so that the class's default applies.
    """

    kind: str
    config: Mapping[str, Any]
    weights: str
    absent: tuple[str, ...] = ()

    @property
    def package(self) -> str:
        """Package of the class."""
        return "transformers" if self.kind in CONFIGS else "diffusers"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerSpec:
    """Description of a tokenizer.

    Args:
        kind: Name of its class in transformers.
        vocabulary: Number of tokens.
        pad: Padding token.
        length: Maximum tokens of a prompt.
    """

    kind: Literal["CLIPTokenizer", "T5TokenizerFast"]
    vocabulary: int
    pad: str
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSpec:
    """Description of a diffusers directory.

    Args:
        pipeline: Name of the pipeline's class.
        scheduler: Config of the scheduler, including `_class_name`.
        networks: Networks by name of their folder; None for an optional part that is absent.
        tokenizers: Tokenizers by name of their folder; None for one that is absent.
        flags: Other entries of model_index.json.
    """

    pipeline: str
    scheduler: Mapping[str, Any]
    networks: Mapping[str, NetworkSpec | None]
    tokenizers: Mapping[str, TokenizerSpec | None]
    flags: Mapping[str, Any] = field(default_factory=dict)

    def index(self) -> dict[str, Any]:
        """The contents of model_index.json, without the version of diffusers."""
        parts: dict[str, Any] = {"scheduler": ["diffusers", self.scheduler["_class_name"]]}
        for name, network in self.networks.items():
            parts[name] = [None, None] if network is None else [network.package, network.kind]
        for name, tokenizer in self.tokenizers.items():
            parts[name] = [None, None] if tokenizer is None else ["transformers", tokenizer.kind]
        return {"_class_name": self.pipeline, **dict(sorted({**parts, **self.flags}.items()))}
