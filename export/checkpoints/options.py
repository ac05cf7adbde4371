"""Options of an export, for all families."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from latentlink.errors import UsageError
from latentlink.export.checkpoints.networks.part_names import PARTS, TOKENIZERS
from latentlink.spaces import LatentSpace

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
        UsageError: `prediction` is not in `PREDICTIONS`, `parts` names another part, or `clip_skip` or `step_cache` is
            not a number of layers.
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
            raise UsageError(f"Received clip_skip {self.clip_skip!r}; expected a whole number of layers from 0.")
        if self.step_cache is not None and (type(self.step_cache) is not int or self.step_cache < 1):
            raise UsageError(f"Received step_cache {self.step_cache!r}; expected a whole number of layers from 1.")
        if self.prediction not in (None, *PREDICTIONS):
            raise UsageError(f"Unknown prediction {self.prediction!r}; expected one of: {', '.join(PREDICTIONS)}.")
        if unknown := [part for part in self.parts if part not in (*PARTS, *TOKENIZERS)]:
            raise UsageError(
                f"Received a part {unknown[0]!r} from elsewhere; expected one of: {', '.join((*PARTS, *TOKENIZERS))}."
            )
