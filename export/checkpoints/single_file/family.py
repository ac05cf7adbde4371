"""Description of a family of single files: where its parts are, and what its tensors do not show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from latentlink.export.checkpoints.single_file.layout import Layout

# Prediction types of trained models. For flows the user is not asked, as their families have no other.
PREDICTION_TYPES = ("epsilon", "v_prediction", "sample")


FLOW = "flow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A part of a model and its possible places in a file.

    Args:
        part: Name of the part in `model_index.json`.
        cls: Name of its class.
        places: Possible prefixes of its tensors' names, each with the layout.
    """

    part: str
    cls: str
    places: tuple[tuple[str, Layout], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingDefaults:
    """Training settings of a family's published models, for one prediction type.

    Args:
        scheduler: Their `scheduler_config.json` without the prediction type.
        sample_size: Their denoiser's `sample_size`, in latent elements a side.
    """

    scheduler: Mapping[str, Any]
    sample_size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A family of models.

    Args:
        title: Name of the family in messages.
        denoiser: Places of the denoiser.
        fits: Values of the denoiser's config that distinguish this family from others of the same layout.
        text_encoders: Places of the text encoders.
        tokenizers: Class and padding token by part; None for the tokenizer's own padding token.
        training: Training settings by prediction type.
        usual_prediction: Prediction type of published models that do not state one; None if the user has to be asked.
        reads: By key of the denoiser's config, the text encoders whose widths add up to its value.
        index: Other entries of the published `model_index.json` that a recipe reads.
        latent_channels: Key of the denoiser's channels in its config, and how many make up one latent channel.
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

    def widths(self, configs: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Any, int, tuple[str, ...]]]:
        """What the denoiser reads and what the other parts make, where all of these are there.

        Args:
            configs: Configs of the denoiser and of other parts.

        Returns:
            A key of the denoiser's config, its value, the value that would fit, and the parts that this follows from.
        """
        denoiser = configs[self.denoiser.part]
        for key, encoders in self.reads.items():
            if all(encoder in configs for encoder in encoders):
                yield key, denoiser.get(key), sum(_width(configs[encoder]) for encoder in encoders), encoders
        if "vae" in configs:
            key, times = self.latent_channels
            made = configs["vae"].get("latent_channels", LATENT_CHANNELS) * times
            # a transformer that writes what it reads leaves it out
            yield key, denoiser.get(key) or denoiser.get("in_channels"), made, ("vae",)


LATENT_CHANNELS = 4
"""Of an AutoencoderKL whose config does not state them."""


def _width(config: Mapping[str, Any]) -> int:
    width = config.get("hidden_size") or config.get("d_model")
    return width if type(width) is int else 0
