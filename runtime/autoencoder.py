"""Both halves of the VAE, one picture at a time, so that memory does not grow with the batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from latentlink.errors import UsageError
from latentlink.runtime.link import Linked
from latentlink.runtime.sessions import Session

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoencoder:
    """The VAE of a pipeline.

    Args:
        name: Of the bundle, for messages.
        linked: Its engines.
    """

    name: str
    linked: Linked

    def decode(self, latents: NDArray[np.floating]) -> list[Image]:
        """z `[B, C, h, w]` of the linked space to pictures."""
        from PIL import Image as Images

        session = self.linked.decoder.session
        reads, writes = _single(session, "latent", "image")
        pictures = []
        for row in latents.astype(self.linked.latent.dtype):
            done = session.run({reads: session.upload(row[None])}, {writes: None})
            pictures.append(Images.fromarray(done[writes].numpy()[0]))
        return pictures

    def encode(
        self, picture: NDArray[np.uint8], mask: NDArray[np.float32] | None, noise: NDArray[np.float32]
    ) -> NDArray[np.floating]:
        """Pictures to z `[B, C, h, w]`.

        Args:
            picture: uint8 RGB `[B, H, W, 3]`.
            mask: float32 `[B, 1, H, W]`, 1 where the picture is hidden; None hides nothing.
            noise: Standard normal `[B, C, h, w]`, to sample the posterior with; zeros give its mode.

        Raises:
            UsageError: The bundle has no VAE encoder.
        """
        if self.linked.encoder is None:
            raise UsageError(f"The bundle {self.name} has no vae_encoder.", remedy="Export and build it again.")
        session, latent = self.linked.encoder.session, self.linked.latent
        reads, writes = _single(session, "image", "latent")
        covers = next(port.tensor for port in session.inputs if port.kind == "mask")
        if mask is None:
            mask = np.zeros((len(picture), 1, *picture.shape[1:3]), np.float32)
        rows = []
        for number in range(len(picture)):
            one = slice(number, number + 1)
            feeds = {
                reads: session.upload(picture[one]),
                covers: session.upload(mask[one]),
                latent.at("noise").tensor: session.upload(noise[one].astype(latent.dtype)),
            }
            rows.append(session.run(feeds, {writes: None})[writes].numpy().copy())
        return np.concatenate(rows)


def _single(session: Session, reads: str, writes: str) -> tuple[str, str]:
    """Tensor names of the linking input of kind `reads` and output of kind `writes`."""
    return (
        next(p.tensor for p in session.inputs if p.kind == reads and not p.slot),
        next(p.tensor for p in session.outputs if p.kind == writes and not p.slot),
    )
