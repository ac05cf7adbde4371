"""What is known of a family of single files beside its tensors: where its parts are, and how it was trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from latentlink.export.checkpoints.single_file.layout import Layout

# Predictions that a training can have had; a family of the last kind is not asked about it.
PREDICTION_TYPES = ("epsilon", "v_prediction", "sample")


FLOW = "flow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A part of a model, and where in a file it may be.

    Args:
        part: Its name as in `model_index.json`.
        cls: Its class.
        places: Prefixes of its tensors' names, each with the layout they are in.
    """

    part: str
    cls: str
    places: tuple[tuple[str, Layout], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingDefaults:
    """How the published models of a family with one prediction type were trained.

    Args:
        scheduler: Their `scheduler_config.json`, prediction type left out.
        sample_size: Their denoiser's, in latent elements a side.
    """

    scheduler: Mapping[str, Any]
    sample_size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A family of models.

    Args:
        title: What it is called, for people.
        denoiser: Where the denoiser is.
        fits: Values that the denoiser's config has in this family and in no other of the same layout.
        text_encoders: Where the text encoders are.
        tokenizers: Class and padding token by part; None where the tokenizer's own is right.
        training: By prediction type.
        usual_prediction: The prediction type of all published models that do not say otherwise, None where it has to be asked.
        reads: Key of the denoiser's config: the text encoders whose widths make it up.
        index: What the published `model_index.json` says besides the classes, where a recipe reads it.
        latent_channels: Key of the denoiser's config, and how many of it a channel of the VAE's latent takes.
    """

    title: str
    denoiser: Slot
    fits: Mapping[str, Any]
    text_encoders: tuple[Slot, ...]
    tokenizers: Mapping[str, tuple[str, str | None]]
    training: Mapping[str, TrainingDefaults]
    usual_prediction: str | None
    reads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    index: Mapping[str, Any] = field(default_factory=dict)
    latent_channels: tuple[str, int] = ("out_channels", 1)
