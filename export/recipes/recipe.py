"""What a recipe is: how one family becomes components."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from latentlink.export.checkpoint import Checkpoint
from latentlink.export.component import Component
from latentlink.export.options import Options


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
    """

    title: str
    matches: Callable[[Checkpoint], bool]
    components: Callable[[Checkpoint, Options], Iterator[Component]]
    sampling: Callable[[Checkpoint], Mapping[str, Any]]
    names: tuple[str, ...]
    optional: tuple[str, ...] = ("vae_decoder", "vae_encoder")

    def present(self, checkpoint: Checkpoint, options: Options) -> tuple[str, ...]:
        """The components that are there and wanted, in order."""
        return tuple(
            name
            for name in self.names
            if name not in options.without and (name in checkpoint.classes or not name.startswith("text_encoder"))
        )
