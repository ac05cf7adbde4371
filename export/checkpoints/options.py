"""Options of an export, for all families."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from latentlink.checks import choice, instance, path_of, shown, texts
from latentlink.errors import UsageError
from latentlink.export.checkpoints.networks.part_names import PARTS, TOKENIZERS
from latentlink.spaces import LatentSpace

DTYPES = ("float32", "float16", "bfloat16")
IO_DTYPES = ("float32", "float16")
PREDICTIONS = ("epsilon", "v_prediction", "sample")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """Resolved options of an export.

    Args:
        dtype: Compute dtype of the components: `float32`, `float16` or `bfloat16`.
        io_dtype: Dtype of tensors that pass between engines: `float32`, or `float16` to save memory.
        space: Latent space, or the name of a known or a new one; None to decide from evidence.
        prediction: What the denoiser predicts, one of `PREDICTIONS`, or None to decide from evidence.
        tokenizer: Folder of all tokenizers, for a checkpoint that holds none; or None.
        parts: By name, parts of the model that are taken from elsewhere: `vae`, `text_encoder[_2, _3]`, each a
            directory of a whole model or of the part, a `.safetensors` file of it, or an id of the Hub;
            `tokenizer[_2, _3]`, each a folder.
        clip_skip: Last layers of the CLIP text encoders to skip, in addition to those that the family skips.
        without: Components to leave out, such as a large text encoder that the family can do without.
        wide: Components that are exported in float32 as well where they compute in half precision: the runtime uses
            that engine if the other one overflows.
        step_cache: Layers of the UNet's last block in the shallow denoiser, which reuses the deep layers' output of an
            earlier step; None for no shallow denoiser.

    Raises:
        UsageError: An option is not of its type or one of its values, or `parts` names another part.
    """

    dtype: str = "float32"
    io_dtype: str = "float32"
    space: str | LatentSpace | None = None
    prediction: str | None = None
    tokenizer: Path | None = None
    parts: Mapping[str, str | Path] = field(default_factory=dict)
    clip_skip: int = 0
    without: tuple[str, ...] = ()
    wide: tuple[str, ...] = ()
    step_cache: int | None = None

    def __post_init__(self) -> None:
        if type(self.clip_skip) is not int or self.clip_skip < 0:
            raise UsageError(f"Received clip_skip {shown(self.clip_skip)}; expected a whole number of layers from 0.")
        if self.step_cache is not None and (type(self.step_cache) is not int or self.step_cache < 1):
            raise UsageError(f"Received step_cache {shown(self.step_cache)}; expected a whole number of layers from 1.")
        choice("dtype", self.dtype, DTYPES)
        choice("io_dtype", self.io_dtype, IO_DTYPES)
        if self.prediction is not None:
            choice("prediction", self.prediction, PREDICTIONS)
        if self.space is not None and not isinstance(self.space, LatentSpace):
            instance("space", self.space, str, "It is the name of a latent space, or a LatentSpace.")
        if self.tokenizer is not None:
            path_of("tokenizer", self.tokenizer)
        texts("without", self.without)
        texts("wide", self.wide)
        instance("parts", self.parts, Mapping, "It maps a part to the path that it is in.")
        for part, path in self.parts.items():
            choice("parts", part, (*PARTS, *TOKENIZERS))
            path_of(part, path)
