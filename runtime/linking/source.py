"""The source of a component: a bundle, with the name that the user gave it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from latentlink.engine.bundle import Bundle, ComponentEntry, EngineEntry
from latentlink.ports import Port, latent_port
from latentlink.spaces import KNOWN_SPACES, LatentSpace, TextEmbedding


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentSource:
    """One component of one bundle.

    Args:
        component: `vae_decoder`, ...
        name: Name of the bundle, as the user gave it.
        bundle: The bundle.
    """

    component: str
    name: str
    bundle: Bundle

    def __str__(self) -> str:
        return f"{self.component} of {self.name}"

    @property
    def entry(self) -> ComponentEntry:
        """The component's entry in the bundle's manifest."""
        return self.bundle.manifest.components[self.component]

    def size(self, engine: EngineEntry) -> int:
        """Bytes of an engine's files: all in its folder."""
        folder = engine.path.rpartition("/")[0]
        files = self.bundle.manifest.files
        return sum(file.size for path, file in files.items() if path.rpartition("/")[0] == folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The components of a pipeline.

    Args:
        components: Sources by component.
        bundles: The bundles that they come from, the pipeline's own first.
    """

    components: Mapping[str, ComponentSource]
    bundles: tuple[Bundle, ...]

    @property
    def host(self) -> ComponentSource:
        """The denoiser's source: its bundle says what latents mean, and how they are sampled.

        Of a VAE alone, a half that was not replaced.
        """
        sources = self.components.values()
        own = (source for source in sources if source.bundle is self.bundles[0])
        return self.components["denoiser"] if self.draws else next(own, next(iter(sources)))

    @property
    def draws(self) -> bool:
        """Whether they are a model that draws, and not a VAE alone."""
        return "denoiser" in self.components

    def describe(self, port: Port) -> LatentSpace | TextEmbedding | None:
        """The record behind a port's symbol: from a manifest, or a known space, if it makes exactly this symbol."""
        for bundle in self.bundles:
            found = bundle.describe(port)
            if found is not None:
                return found
        known = KNOWN_SPACES.get(port.name)
        return known if known is not None and latent_port(known, port.dtype).symbol == port.symbol else None
