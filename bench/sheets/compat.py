"""Every denoiser's latents through every decoder, directly and by transfer: which pairs fit, and how others look."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import latentlink.runtime as runtime
from latentlink.bench.sheets.grid import GridCell, GridRow, grid
from latentlink.engine.quality import psnr
from latentlink.errors import LatentLinkError, LinkError, UsageError
from latentlink.runtime.linking import Decision, Engine
from latentlink.runtime.loading import open_component

Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Halves:
    """A bundle's VAE, with unlinked engines.

    Args:
        name: Name of the bundle.
        decoder: Engine that decodes latents of any space.
        encoder: Engine of the encoder; None if the bundle has none.
    """

    name: str
    decoder: Engine
    encoder: Engine | None

    def decode(self, latents: NDArray[np.floating]) -> Picture | None:
        """Decode z `[1, C, h, w]` to a picture `[H, W, 3]`, whatever its space, to show the failure.

        None if the decoder reads another number of channels.
        """
        reads, writes = self.decoder.session.inputs[0], self.decoder.session.outputs[0]
        if reads.size("c") != latents.shape[1]:
            return None
        session = self.decoder.session
        done = session.run({reads.tensor: session.upload(latents.astype(reads.dtype))}, {writes.tensor: None})
        made: Picture = done[writes.tensor].numpy()[0].copy()
        return made

    def encode(self, picture: Picture) -> NDArray[np.floating] | None:
        """Encode a picture `[H, W, 3]` to the posterior's mode `[1, C, h, w]`; resized if it does not fit.

        None if there is no encoder.
        """
        if self.encoder is None:
            return None
        session, writes = self.encoder.session, self.encoder.session.outputs[0]
        factor = writes.size("f")
        sides = [max(round(side / factor), 1) * factor for side in picture.shape[:2]]
        fitted = resize(picture, sides[0], sides[1])
        feeds = {}
        for port in session.inputs:
            shape = {"image": fitted[None].shape, "mask": (1, 1, *sides)}.get(
                port.kind, (1, writes.size("c"), *(side // factor for side in sides))
            )
            array = fitted[None] if port.kind == "image" else np.zeros(shape, port.dtype)
            feeds[port.tensor] = session.upload(array)
        made: NDArray[np.floating] = session.run(feeds, {writes.tensor: None})[writes.tensor].numpy().copy()
        return made

    def again(self, picture: Picture) -> Picture | None:
        """Encode a picture and decode it, as a transfer to this bundle does."""
        latents = self.encode(picture)
        return None if latents is None else self.decode(latents)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pairing:
    """One denoiser's picture through one decoder.

    Args:
        denoiser: Bundle of the denoiser.
        decoder: Bundle of the decoder.
        prompt: Prompt of the picture.
        verdict: Verdict of the linker: `own`, `accepted` or `refused`.
        reason: Why it refused.
        decoder_decision: Decision of the loader on the decoder, if accepted.
        direct: The latents through the decoder, forced if refused; None if the shapes do not fit.
        direct_psnr: PSNR of `direct` against the right picture in dB.
        transfer: The picture after a transfer; None for the own decoder, or if the decoder's bundle has no encoder.
        transfer_psnr: PSNR of `transfer` against the right picture in dB.
    """

    denoiser: str
    decoder: str
    prompt: str
    verdict: str
    reason: str
    direct: Picture | None
    direct_psnr: float | None
    transfer: Picture | None
    transfer_psnr: float | None
    decoder_decision: Decision | None = None

    def to_json(self) -> dict[str, Any]:
        """All but the pictures; a PSNR is null if there is none, or if the pictures are equal."""
        numbers = {"direct_psnr": self.direct_psnr, "transfer_psnr": self.transfer_psnr}
        return {
            "denoiser": self.denoiser,
            "decoder": self.decoder,
            "prompt": self.prompt,
            "verdict": self.verdict,
            "reason": self.reason,
            "decision": None if self.decoder_decision is None else self.decoder_decision.to_json(),
            **{key: None if n is None or math.isinf(n) else round(n, 2) for key, n in numbers.items()},
        }


def matrix(
    bundles: Sequence[str],
    prompts: Sequence[str],
    *,
    seed: int = 0,
    steps: int | None = None,
    on_open: Callable[[str, Sequence[Decision]], None] | None = None,
) -> Iterator[Pairing]:
    """Try every pair, one denoiser after the other, with one open pipeline at a time.

    Args:
        bundles: Names or folders; a bundle without a denoiser only adds a column.
        prompts: Prompts that every denoiser draws.
        seed: Seed of every picture.
        steps: Denoising steps; None for each bundle's default.
        on_open: Called with the name of each bundle that draws, and the loader's decisions.

    Raises:
        UsageError: None of them has a denoiser, or one has no decoder.
        LatentLinkError: A bundle cannot be opened or run.
    """
    with ExitStack() as stack:
        columns = [open_halves(name, stack) for name in bundles]
        drew = False
        for name in bundles:
            if not _has_denoiser(name):
                continue
            drew = True
            with runtime.load(name) as pipe:
                if on_open is not None:
                    on_open(name, pipe.decisions)
                own = next(column for column in columns if column.name == name)
                drawn = [pipe.generate(prompt, seed=seed, steps=steps).latents.array for prompt in prompts]
            verdicts = {column.name: _verdict(name, column.name) for column in columns}
            for prompt, latents in zip(prompts, drawn, strict=True):
                right = own.decode(latents)
                for column in columns:
                    yield _pairing(name, column, prompt, latents, right, verdicts[column.name])
        if not drew:
            raise UsageError(f"None of {', '.join(bundles)} has a denoiser; expected at least one bundle that draws.")


def _has_denoiser(name: str) -> bool:
    found = open_component(name, "denoiser")
    if found is not None:
        found[0].session.close()
    return found is not None


def open_halves(name: str, stack: ExitStack) -> Halves:
    """Open a bundle's VAE; `stack` closes it.

    Raises:
        UsageError: The bundle has no decoder.
        LatentLinkError: It cannot be opened.
    """
    halves = []
    for component in ("vae_decoder", "vae_encoder"):
        found = open_component(name, component)
        halves.append(None if found is None else found[0])
        if found is not None:
            stack.callback(found[0].session.close)
    decoder, encoder = halves
    if decoder is None:
        raise UsageError(f"The bundle {name} has no vae_decoder; expected one to look at its latents with.")
    return Halves(name=name, decoder=decoder, encoder=encoder)


def _verdict(denoiser: str, decoder: str) -> tuple[str, str, Decision | None]:
    """Verdict of `load` on a pair, probes included; why it refused, or its decision on the decoder."""
    if denoiser == decoder:
        return "own", "", None
    try:
        with runtime.load(denoiser, replace={"vae_decoder": decoder}) as pipe:
            return "accepted", "", next(one for one in pipe.decisions if one.component == "vae_decoder")
    except LinkError as error:
        return "refused", error.message, None


def _pairing(
    name: str,
    column: Halves,
    prompt: str,
    latents: NDArray[np.floating],
    right: Picture | None,
    linker: tuple[str, str, Decision | None],
) -> Pairing:
    if right is None:
        raise LatentLinkError(f"The decoder of {name} does not read its own denoiser's latents.")
    direct = column.decode(latents)
    transfer = column.again(right) if linker[0] != "own" else None
    return Pairing(
        denoiser=name,
        decoder=column.name,
        prompt=prompt,
        verdict=linker[0],
        reason=linker[1],
        decoder_decision=linker[2],
        direct=direct,
        direct_psnr=None if direct is None else psnr(right, resize(direct, *right.shape[:2])),
        transfer=transfer,
        transfer_psnr=None if transfer is None else psnr(right, resize(transfer, *right.shape[:2])),
    )


def resize(picture: Picture, height: int, width: int) -> Picture:
    """The picture at another size, with a Lanczos filter."""
    if picture.shape[:2] == (height, width):
        return picture
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))


def sheet(pairings: Sequence[Pairing], *, side: int = 128) -> Image.Image:
    """The pairings as a grid: a row per picture, a column per decoder, first directly, then by transfer."""
    decoders = list(dict.fromkeys(pairing.decoder for pairing in pairings))
    rows: dict[tuple[str, str], list[Pairing]] = {}
    for pairing in pairings:
        rows.setdefault((pairing.denoiser, pairing.prompt), []).append(pairing)
    columns = [f"directly: decoder of {name}" for name in decoders] + [f"transfer to {name}" for name in decoders]
    lines = []
    for (name, prompt), found in rows.items():
        cells = [GridCell(picture=pairing.direct, note=_direct_note(pairing)) for pairing in found]
        cells += [GridCell(picture=pairing.transfer, note=_transfer_note(pairing)) for pairing in found]
        lines.append(GridRow(label=f"{name}: {prompt}", cells=tuple(cells)))
    return grid(columns, lines, side=side)


def _direct_note(pairing: Pairing) -> str:
    if pairing.verdict == "own":
        return "its own"
    if pairing.direct_psnr is None:
        return "shapes differ, refused"
    return f"{pairing.direct_psnr:.1f} dB, {pairing.verdict}"


def _transfer_note(pairing: Pairing) -> str:
    if pairing.verdict == "own":
        return "not needed"
    return "no encoder" if pairing.transfer_psnr is None else f"{pairing.transfer_psnr:.1f} dB"
