"""A recipe: how the checkpoints of one family become components."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from latentlink.errors import UsageError
from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.graphs import Component

DENOISERS = ("unet", "transformer")
VAE_HALVES = ("vae_encoder", "vae_decoder")
"""The halves of a VAE, which bundles can share."""


def any_config(config: Mapping[str, Any]) -> bool:
    """For a family whose denoiser no other has."""
    return True


def unchanged(checkpoint: Checkpoint) -> Checkpoint:
    """A checkpoint whose configs no pipeline corrects."""
    return checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How the checkpoints of one family become components.

    Args:
        title: Name of the family in messages.
        matches: Whether a checkpoint is of this family.
        components: Makes the components one at a time, so that only one is in memory.
        sampling: Makes the manifest's `sampling`: training schedule and defaults.
        names: Names of all components, in order. A text encoder that a checkpoint lacks is left out.
        optional: Components that a user may leave out: halves of a VAE, which bundles can share, and inputs that the
            network can do without.
        clip_skip: Last layers of its CLIP text encoders that the family itself skips; None if its denoiser reads no
            hidden states of CLIP.
        classes: Class names of the parts that every checkpoint of the family has.
        pipelines: Pipeline classes of diffusers that the recipe stands for.
        fits: Whether a denoiser with this config is of the family, where other families have its class too.
        as_read: The checkpoint as these pipelines read it, which may correct outdated configs; `sampling` applies it.
    """

    title: str
    matches: Callable[[Checkpoint], bool]
    components: Callable[[Checkpoint, ExportOptions], Iterator[Component]]
    sampling: Callable[[Checkpoint], Mapping[str, Any]]
    names: tuple[str, ...]
    optional: tuple[str, ...] = VAE_HALVES
    clip_skip: int | None = None
    classes: Mapping[str, str] = field(default_factory=dict)
    pipelines: tuple[str, ...] = ()
    fits: Callable[[Mapping[str, Any]], bool] = any_config
    as_read: Callable[[Checkpoint], Checkpoint] = unchanged

    def is_denoised_as(self, checkpoint: Checkpoint) -> bool:
        """Whether the checkpoint's denoiser is of this family, whatever its other parts are."""
        return any(
            part in self.classes
            and checkpoint.classes.get(part) == self.classes[part]
            and self.fits(checkpoint.settings(part))
            for part in DENOISERS
        )

    def notes(self, checkpoint: Checkpoint) -> Mapping[str, str]:
        """By name, what the checkpoint's configs say that is outdated or contradicts, and how they are read."""
        notes = dict(self.as_read(checkpoint).notes)
        if (named := self.other_pipeline(checkpoint)) is not None:
            notes["pipeline"] = f"{named}; exported as for {self.pipelines[0]}"
        return notes

    def other_pipeline(self, checkpoint: Checkpoint) -> str | None:
        """Which pipeline the checkpoint names that the recipe does not stand for, in words; None if it names none."""
        named = checkpoint.index.get("_class_name")
        plain = str(named).removeprefix("Flax").removeprefix("Onnx").removeprefix("ORT")
        if named is None or not self.pipelines or plain in self.pipelines:
            return None
        return f"model_index.json names {named}, which may draw other pictures than {self.pipelines[0]}"

    def present(self, checkpoint: Checkpoint, options: ExportOptions) -> tuple[str, ...]:
        """The components that the checkpoint holds and the user wants, in order."""
        return tuple(
            name
            for name in self.names
            if name not in options.without
            and name not in checkpoint.absent
            and (name in checkpoint.classes or not name.startswith("text_encoder"))
        )

    def probed(self, checkpoint: Checkpoint, options: ExportOptions) -> tuple[str, ...]:
        """The components that probes are made for: those of `present`, and halves of a VAE that were left out.

        With these probes a half from another bundle can be compared with the denoiser's own.
        """
        left_out = (name for name in VAE_HALVES if name in options.without and name not in checkpoint.absent)
        return (*self.present(checkpoint, options), *left_out)

    def check(self, checkpoint: Checkpoint, options: ExportOptions) -> None:
        """Refuse options that this family or checkpoint cannot follow, before any work is done.

        Raises:
            UsageError: A component cannot be left out or kept wide, none would be left, `clip_skip` is too large
                or does not apply, or there is no UNet for a step cache.
        """
        for part in options.wide:
            if part not in VAE_HALVES or part in options.without:
                raise UsageError(f"{part!r} cannot also be exported in float32; expected {' or '.join(VAE_HALVES)}.")
        for part in options.without:
            if part not in self.optional:
                raise UsageError(f"{part!r} cannot be left out; of {self.title} these can: {', '.join(self.optional)}.")
        if not self.present(checkpoint, options):
            raise UsageError(
                f"Nothing is left of {self.title} without {', '.join(options.without)}; expected at least one part.",
                remedy="Leave out fewer.",
            )
        if options.step_cache is not None and "unet" not in checkpoint.classes:
            raise UsageError(
                f"A step cache reuses the output of a UNet's deep layers, but {self.title} has no UNet.",
                remedy="Leave --step-cache out.",
            )
        if options.clip_skip == 0:
            return
        if self.clip_skip is None:
            raise UsageError(
                f"A clip_skip of {options.clip_skip} was given, but {self.title} reads no hidden states of CLIP.",
                remedy="Leave it out.",
            )
        for part, cls in checkpoint.classes.items():
            if not cls.startswith("CLIPText"):
                continue
            most = int(checkpoint.settings(part)["num_hidden_layers"]) - self.clip_skip
            if options.clip_skip > most:
                raise UsageError(
                    f"A clip_skip of {options.clip_skip} was given, but {part} has {most + self.clip_skip} layers, of "
                    f"which {self.title} leaves out {self.clip_skip}; expected at most {most}.",
                    remedy="Leave out fewer layers.",
                )
