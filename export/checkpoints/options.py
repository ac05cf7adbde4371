"""What a user may ask of an export, whatever the family."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from latentlink.errors import UsageError
from latentlink.spaces import LatentSpace

PREDICTIONS = ("epsilon", "v_prediction", "sample")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """Resolved options of an export.

    Args:
        dtype: What the components compute in: `float32`, `float16` or `bfloat16`.
        io_dtype: What crosses between engines: `float32`, or `float16` to save memory.
        space: Latent space, or its name: a known one or a new one; None to decide from evidence.
        prediction: What the denoiser predicts, one of `PREDICTIONS`, or None to decide from evidence.
        tokenizer: Folder with the tokenizers of a checkpoint that holds none, or None.
        clip_skip: Layers of the CLIP text encoders that are left out at the end, beyond what the family leaves out.
        without: Parts to leave out, such as a large text encoder that the family can do without.
        wide: Parts that are exported in float32 too where they compute in half precision: the runtime takes that
            engine where the other one overflowed.
        step_cache: Layers of a UNet's last block in a shallow denoiser that runs on steps which read what the deep
            layers made before; None for no such denoiser.

    Raises:
        UsageError: `prediction` is none of `PREDICTIONS`, or `clip_skip` or `step_cache` is no number of layers.
    """

    dtype: str = "float32"
    io_dtype: str = "float32"
    space: str | LatentSpace | None = None
    prediction: str | None = None
    tokenizer: Path | None = None
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
