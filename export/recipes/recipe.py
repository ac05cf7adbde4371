"""What a recipe is: how one family becomes components."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from latentlink.errors import UsageError
from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.graphs import Component

VAE_HALVES = ("vae_encoder", "vae_decoder")
"""Its halves, which bundles can share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one family becomes components.

    Args:
        title: What the family is, for people.
        matches: Whether a checkpoint is of this family.
        components: The components, made one at a time so that only one is in memory.
        sampling: `sampling` of the manifest: training schedule and defaults.
        names: Names of all components in order. A text encoder that a checkpoint lacks is left out.
        optional: Components that a user may leave out: halves of a VAE, which bundles can share, and what the network
            can do without.
        clip_skip: Layers of its CLIP text encoders that the family itself leaves out at the end; None where its
            denoiser reads no hidden states of CLIP.
    """

    title: str
    matches: Callable[[Checkpoint], bool]
    components: Callable[[Checkpoint, ExportOptions], Iterator[Component]]
    sampling: Callable[[Checkpoint], Mapping[str, Any]]
    names: tuple[str, ...]
    optional: tuple[str, ...] = VAE_HALVES
    clip_skip: int | None = None

    def present(self, checkpoint: Checkpoint, options: ExportOptions) -> tuple[str, ...]:
        """The components that are there and wanted, in order."""
        return tuple(
            name
            for name in self.names
            if name not in options.without
            and name not in checkpoint.absent
            and (name in checkpoint.classes or not name.startswith("text_encoder"))
        )

    def probed(self, checkpoint: Checkpoint, options: ExportOptions) -> tuple[str, ...]:
        """The components that probes are made for: those of `present`, and a VAE's halves that were left out.

        A half from elsewhere can so be compared with what this denoiser's own would have done.
        """
        left_out = (name for name in VAE_HALVES if name in options.without and name not in checkpoint.absent)
        return (*self.present(checkpoint, options), *left_out)

    def check(self, checkpoint: Checkpoint, options: ExportOptions) -> None:
        """Refuse options that this family or checkpoint cannot follow, before any work is done.

        Raises:
            UsageError: A part cannot be left out or is no half of the VAE to be kept wide, nothing would be left, there
                are not so many layers to leave out, or there is no UNet for a step cache.
        """
        for part in options.wide:
            if part not in VAE_HALVES or part in options.without:
                raise UsageError(f"{part!r} cannot be kept in float32 too; expected {' or '.join(VAE_HALVES)}.")
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
                f"A step cache keeps what the deep layers of a UNet make, and {self.title} has none.",
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
            most = int(checkpoint.config(part).get("num_hidden_layers", 12)) - self.clip_skip
            if options.clip_skip > most:
                raise UsageError(
                    f"A clip_skip of {options.clip_skip} was given, but {part} has {most + self.clip_skip} layers, of "
                    f"which {self.title} leaves out {self.clip_skip}; expected at most {most}.",
                    remedy="Leave out fewer layers.",
                )
