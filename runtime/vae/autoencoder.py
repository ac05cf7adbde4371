"""Both halves of the VAE, one picture at a time, so that memory does not grow with the batch; a large picture takes
several passes if a memory budget or the engine's sizes require it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latentlink.amounts import bytes_in_words
from latentlink.checks import byte_count
from latentlink.errors import UsageError
from latentlink.runtime.linking import Engine, LinkedVae
from latentlink.runtime.linking.engine_memory import reopen
from latentlink.runtime.request import check_limits
from latentlink.runtime.sessions import Buffer, Session
from latentlink.runtime.vae.budget import MEASURING, largest, peak_of, resident_bytes
from latentlink.runtime.vae.canvas import UNLIMITED, canvas_limits
from latentlink.runtime.vae.tiling import SMALLEST, Mosaic, fit, in_passes

if TYPE_CHECKING:
    from PIL.Image import Image

_LOG = logging.getLogger(__name__)

BLENDED = 15
"""Bytes per pixel that is blended and then rounded: three float32 numbers and three 8-bit ones."""


@dataclass(slots=True)
class _Room:
    """What was measured of one engine's memory.

    Args:
        wanted: Cells of the largest requested picture.
        cells: Cells of one pass that fit the budget.
        needed: Bytes needed for the smallest pass and the picture.
        peak: Largest number of bytes that its passes took; ONNX Runtime keeps them for the next pass.
    """

    wanted: int = 0
    cells: int = 0
    needed: int = 0
    peak: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoencoder:
    """The VAE of a pipeline.

    Args:
        name: Name of the bundle, for messages.
        linked: Its halves.
        memory: Maximum bytes that decoding or encoding a picture may take beyond the engine's weights; None sets no
            budget.
    """

    name: str
    linked: LinkedVae
    memory: int | None = None
    _rooms: dict[str, _Room] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.memory is not None:
            byte_count("vae_memory", self.memory)

    def passes(self, *, width: int, height: int, encode: bool, decode: bool) -> dict[str, int]:
        """Number of passes for a picture by component, if more than one; measures what fits before any other work.

        Args:
            width: Picture width in pixels.
            height: Picture height in pixels.
            encode: Whether the picture will be encoded.
            decode: Whether the picture will be decoded.

        Raises:
            UsageError: No canvas is within the budget and the engine's sizes.
        """
        downscale = self.linked.latent.size("f")
        engines = [self._decoder] if decode else []
        if encode and self.linked.encoder is not None:
            engines.append(self.linked.encoder)
        found = {e.component: self._mosaic(e, height // downscale, width // downscale).passes for e in engines}
        return {component: count for component, count in found.items() if count > 1}

    def decode(self, latents: NDArray[np.floating], written: Buffer | None = None) -> list[Image]:
        """Decode z `[B, C, h, w]` of the linked space to pictures.

        Args:
            latents: z on the host.
            written: z in the buffer that the denoiser wrote, for a decoder that can read it there; None if it is only
                on the host.

        Raises:
            UsageError: The bundle has no VAE decoder, or no canvas is within the budget and the engine's sizes.
        """
        from PIL import Image as Images

        mosaic = self._mosaic(self._decoder, *latents.shape[2:])
        _log(self._decoder, mosaic)
        session = self._decoder.session
        taken = session.take(written) if written is not None and mosaic.passes == 1 else None
        pictures = []
        for number, row in enumerate(latents.astype(self.linked.latent.dtype)):
            if taken is not None:
                picture = self._picture(session.gather(taken, [number], (1, *row.shape)))
            elif mosaic.passes == 1:
                picture = self._picture(session.upload(row[None]))
            else:
                made = in_passes(self._decode, [np.moveaxis(row, 0, -1)], mosaic)
                picture = np.rint(made, out=made).clip(0, 255, out=made).astype(np.uint8)
            pictures.append(Images.fromarray(picture))
        return pictures

    def encode(
        self, picture: NDArray[np.uint8], mask: NDArray[np.float32] | None, noise: NDArray[np.float32]
    ) -> NDArray[np.floating]:
        """Encode pictures to z `[B, C, h, w]`.

        Args:
            picture: uint8 RGB `[B, H, W, 3]`.
            mask: float32 `[B, 1, H, W]`, 1 where the picture is hidden; None hides nothing.
            noise: Standard normal noise `[B, C, h, w]` that samples the posterior; zeros give its mode.

        Raises:
            UsageError: The bundle has no VAE encoder, or no canvas is within the budget and the engine's sizes.
        """
        encoder, dtype = self._encoder, self.linked.latent.dtype
        if mask is None:
            mask = np.zeros((len(picture), 1, *picture.shape[1:3]), np.float32)
        mosaic = self._mosaic(encoder, *noise.shape[2:])
        _log(encoder, mosaic)
        rows = []
        for seen, hidden, drawn in zip(picture, mask, noise.astype(dtype), strict=True):
            inputs = [seen, np.moveaxis(hidden, 0, -1), np.moveaxis(drawn, 0, -1)]
            made = self._encode(inputs) if mosaic.passes == 1 else in_passes(self._encode, inputs, mosaic)
            rows.append(np.moveaxis(made.astype(dtype), -1, 0))
        return np.stack(rows)

    @property
    def _decoder(self) -> Engine:
        return self._half("vae_decoder", self.linked.decoder)

    @property
    def _encoder(self) -> Engine:
        return self._half("vae_encoder", self.linked.encoder)

    def _half(self, component: str, engine: Engine | None) -> Engine:
        if engine is None:
            raise UsageError(
                f"The bundle {self.name} has no {component}.",
                remedy=f"Take it from a bundle of the same latent space: --replace {component}=BUNDLE "
                f'(replace={{"{component}": BUNDLE}}), or export and build it with both halves.',
            )
        return engine

    def _decode(self, inputs: list[NDArray[Any]]) -> NDArray[np.uint8]:
        """One pass: z `[h, w, C]` to uint8 `[H, W, 3]`."""
        return self._picture(self._decoder.session.upload(np.moveaxis(inputs[0], -1, 0)[None]))

    def _picture(self, z: Buffer) -> NDArray[np.uint8]:
        """z `[1, C, h, w]` to uint8 `[H, W, 3]`."""
        session = self._decoder.session
        reads, writes = _single(session, "latent", "image")
        picture: NDArray[np.uint8] = session.run({reads: z}, {writes: None})[writes].numpy()[0]
        return picture

    def _encode(self, inputs: list[NDArray[Any]]) -> NDArray[np.floating]:
        """One pass: picture `[H, W, 3]`, mask `[H, W, 1]` and noise `[h, w, C]` to z `[h, w, C]`."""
        session = self._encoder.session
        reads, writes = _single(session, "image", "latent")
        covers = next(port.tensor for port in session.inputs if port.kind == "mask")
        picture, mask, noise = inputs
        feeds = {
            reads: session.upload(picture[None]),
            covers: session.upload(np.moveaxis(mask, -1, 0)[None]),
            self.linked.latent.at("noise").tensor: session.upload(np.moveaxis(noise, -1, 0)[None]),
        }
        z: NDArray[np.floating] = session.run(feeds, {writes: None})[writes].numpy()[0].copy()
        return np.moveaxis(z, 0, -1)

    def _mosaic(self, engine: Engine, height: int, width: int) -> Mosaic:
        """How a latent of this size is cut into passes of an engine."""
        limits = canvas_limits(engine)
        downscale = self.linked.latent.size("f")
        if height < limits[0][0] or width < limits[1][0]:
            check_limits([engine], width=width * downscale, height=height * downscale, batch=1, downscale=downscale)
        cells = UNLIMITED * UNLIMITED
        needed = 0
        if self.memory is not None:
            with MEASURING:
                cells, needed = self._cells(engine, height * width, self.memory)
        mosaic = fit(height, width, cells=cells, limits=limits)
        if mosaic is None:
            if self.memory is None:
                check_limits([engine], width=width * downscale, height=height * downscale, batch=1, downscale=downscale)
            least = [max(SMALLEST, low) * downscale for low, _ in limits]
            raise UsageError(
                f"{engine.title} may take {bytes_in_words(self.memory or 0)}, but its smallest pass, of "
                f"{least[1]}x{least[0]} pixels, needs about {bytes_in_words(needed)}.",
                remedy=f"Allow at least that: vae_memory={needed}.",
            )
        return mosaic

    def _cells(self, engine: Engine, wanted: int, memory: int) -> tuple[int, int]:
        """Cells that fit `memory`, and the bytes that the smallest pass needs; measured if not known yet."""
        room = self._rooms.setdefault(engine.component, _Room())
        if wanted <= room.wanted:
            return room.cells, room.needed
        if reopen(engine.session):
            room.peak = 0  # the memory of its passes was released
        blended = BLENDED * wanted * self.linked.latent.size("f") ** 2
        before = resident_bytes() - room.peak

        def probe(side: int) -> tuple[int, int]:
            height, width = (min(max(side, low), high) for low, high in canvas_limits(engine))
            room.peak = max(room.peak, peak_of(lambda: self._try(engine, height, width)) - before)
            return height * width, max(room.peak, 1)

        room.cells, needed = largest(probe, budget=memory - blended, least=SMALLEST, wanted=wanted)
        room.needed = needed + blended
        room.wanted = wanted
        return room.cells, room.needed

    def _try(self, engine: Engine, height: int, width: int) -> None:
        """Run one pass over zeros."""
        scale, latent = self.linked.latent.size("f"), self.linked.latent
        z = np.zeros((height, width, latent.size("c")), latent.dtype)
        if engine is self.linked.decoder:
            self._decode([z])
            return
        side = (height * scale, width * scale)
        self._encode([np.zeros((*side, 3), np.uint8), np.zeros((*side, 1), np.float32), z])


def _log(engine: Engine, mosaic: Mosaic) -> None:
    """Say that pictures take several passes, which takes longer."""
    if mosaic.passes > 1:
        _LOG.info("%s runs in %d passes for each picture", engine.title, mosaic.passes)


def _single(session: Session, reads: str, writes: str) -> tuple[str, str]:
    """Tensor names of the linking input of kind `reads` and output of kind `writes`."""
    return (
        next(p.tensor for p in session.inputs if p.kind == reads and not p.slot),
        next(p.tensor for p in session.outputs if p.kind == writes and not p.slot),
    )
