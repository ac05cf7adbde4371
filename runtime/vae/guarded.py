"""The VAE of a pipeline with guards after it, and a wider engine for results that overflowed in half precision."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from threading import Event, RLock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from latentlink.errors import UsageError
from latentlink.runtime.guards import Guard, Mended, finite_fault, picture_fault
from latentlink.runtime.guards.faults import ENCODED
from latentlink.runtime.linking import Engine
from latentlink.runtime.samplers import CLEAN
from latentlink.runtime.sessions import Buffer
from latentlink.runtime.vae.autoencoder import Autoencoder

if TYPE_CHECKING:
    from PIL.Image import Image

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GuardedVae:
    """Both halves of the VAE with guards.

    Args:
        halves: The VAE as it was linked.
        wider: By component, a function that opens an engine of wider precision than the linked one.
    """

    halves: Autoencoder
    wider: Mapping[str, Callable[[], Engine]] = field(default_factory=dict)
    _open_engines: dict[str, tuple[Engine, Autoencoder]] = field(default_factory=dict, init=False, repr=False)
    _lock: RLock = field(default_factory=RLock, init=False, repr=False)
    _closed: Event = field(default_factory=Event, init=False, repr=False)

    def decode(
        self, watch: Guard, latents: NDArray[np.floating], *, clean: bool, written: Buffer | None = None
    ) -> list[Image]:
        """Decode z `[B, C, h, w]` to pictures; a faulty one is decoded again by a wider engine if there is one.

        Args:
            watch: The guards of this call; records what was decoded again.
            latents: z of the linked space.
            clean: Whether they hold no noise.
            written: The same latents in the buffer that the denoiser wrote.

        Raises:
            GuardError: A picture is flat or noise, also from the wider engine.
            UsageError: No pass is within the memory budget.
        """
        pictures = self.halves.decode(latents, written)
        if watch.on and "vae_decoder" in self.wider:
            for number, picture in enumerate(pictures):
                fault = picture_fault(np.asarray(picture), clean=clean)
                if fault is not None:
                    watch.mended.append(
                        Mended(component="vae_decoder", number=number + 1, count=len(pictures), fault=fault)
                    )
                    _LOG.warning(
                        "vae_decoder of %s: picture %d of %d %s; it is decoded again by the wider engine",
                        *(self.halves.name, number + 1, len(pictures), fault.found),
                    )
                    pictures[number] = self._wide("vae_decoder").decode(latents[number : number + 1])[0]
        watch.pictures("vae_decoder", [np.asarray(picture) for picture in pictures], clean=clean)
        return pictures

    def encode(
        self, watch: Guard, picture: NDArray[np.uint8], mask: NDArray[np.float32] | None, noise: NDArray[np.float32]
    ) -> NDArray[np.floating]:
        """Encode pictures to z, see `Autoencoder.encode`; again by a wider engine if the result is not finite.

        Raises:
            GuardError: The latents are not finite, also from the wider engine, or outside of the model's range.
            UsageError: There is no encoder, or no pass is within the memory budget.
        """
        latents = self.halves.encode(picture, mask, noise)
        if watch.on and "vae_encoder" in self.wider and (fault := finite_fault(latents)) is not None:
            watch.mended.append(Mended(component="vae_encoder", number=1, count=1, fault=fault))
            _LOG.warning(
                "vae_encoder of %s: the latent %s; it is encoded again by the wider engine",
                *(self.halves.name, fault.found),
            )
            latents = self._wide("vae_encoder").encode(picture, mask, noise)
        watch.latents("vae_encoder", latents, level=CLEAN, margin=ENCODED)
        return latents

    def _wide(self, component: str) -> Autoencoder:
        """The VAE with the wider engine of a component, which is opened when it is first needed."""
        with self._lock:
            if self._closed.is_set():  # meanwhile, by another thread: nothing would close what is opened now
                raise UsageError(f"The pipeline of {self.halves.name} is closed.", remedy="Load the bundle again.")
            if component not in self._open_engines:
                engine = self.wider[component]()
                half = {"vae_decoder": "decoder", "vae_encoder": "encoder"}[component]
                linked = replace(self.halves.linked, **{half: engine})  # type: ignore[arg-type]
                wide = Autoencoder(name=self.halves.name, linked=linked, memory=self.halves.memory)
                self._open_engines[component] = engine, wide
            return self._open_engines[component][1]

    def close(self) -> None:
        """Close the wider engines that were opened. Closing twice is harmless."""
        with self._lock:
            self._closed.set()
            for engine, _ in self._open_engines.values():
                engine.session.close()
