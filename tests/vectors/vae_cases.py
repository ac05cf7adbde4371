"""How both runtimes cut pictures, blend them, keep within a memory budget and transfer latents: `vae.json`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import count
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentlink.errors import LatentLinkError, UsageError
from latentlink.ports import Port, image_port, latent_port, mask_port
from latentlink.runtime.linking import Engine, LinkedVae
from latentlink.runtime.transfers import _size
from latentlink.runtime.vae import Autoencoder
from latentlink.runtime.vae.budget import growth, largest
from latentlink.runtime.vae.tiling import SMALLEST, Axis, Mosaic, cut, fit, in_passes
from latentlink.spaces import LatentSpace
from tests.vectors.recipes import Recipe, latent, picture

Case = dict[str, Any]
Floats = NDArray[np.floating]

FREE = ((1, 1 << 30), (1, 1 << 30))
SCALE = 4
"""Pixels per latent element of the VAE here."""


def _axis(axis: Axis) -> list[Any]:
    return [axis.length, axis.tile, list(axis.starts), axis.together]


def _digest(array: NDArray[Any]) -> str:
    return sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def _cuts() -> Iterator[Case]:
    """Axes, with the SHA-256 of their float32 weights."""
    chosen = Random(6)
    for _ in range(120):
        length, canvas, scale = chosen.randrange(1, 300), chosen.randrange(SMALLEST, 150), chosen.choice([1, 3, 8])
        axis = cut(length, canvas)
        given = {"length": length, "canvas": canvas, "scale": scale}
        yield {**given, "axis": _axis(axis), "weights": _digest(axis.weights(scale))}


def _fits() -> Iterator[Case]:
    chosen = Random(7)
    for _ in range(250):
        height, width = chosen.randrange(1, 300), chosen.randrange(1, 300)
        cells = chosen.choice([SMALLEST**2 - 1, chosen.randrange(SMALLEST**2, 10_000), 1 << 60])
        limits: Any = FREE
        if chosen.random() < 0.6:
            limits = tuple((low, chosen.choice([low, low + 40, 1 << 30])) for low in chosen.sample(range(1, 90), 2))
        mosaic = fit(height, width, cells=cells, limits=limits)
        cuts = None if mosaic is None else [_axis(mosaic.rows), _axis(mosaic.columns)]
        yield {"height": height, "width": width, "cells": cells, "limits": limits, "mosaic": cuts}


def _refused() -> Iterator[Case]:
    for parts in ((10, 4, [0, 6], 1), (10, 4, [1, 6], 1), (10, 4, [0, 4], 1), (10, 4, [0, 3, 6], 2)):
        yield with_message({"axis": parts}, partial(_made, *parts))
    for canvas in (1, SMALLEST - 1):
        yield with_message({"cut": [100, canvas]}, partial(cut, 100, canvas))


def _made(length: int, tile: int, starts: Sequence[int], together: int) -> Axis:
    return Axis(length=length, tile=tile, starts=tuple(starts), together=together)


def with_message(case: Case, ask: Callable[[], object]) -> Case:
    """The case with the message of the error that `ask` raises."""
    try:
        ask()
    except UsageError as error:
        case["message"] = error.message
    return case


def decoded(z: Floats, tone: int = 0) -> NDArray[np.uint8]:
    """What stands for a decoder: z `[h, w, C]` to uint8 `[H, W, 3]`, brighter by `tone`."""
    channels = z.shape[2]
    cells = np.stack([z[..., colour % channels] for colour in range(3)], axis=-1).astype(np.float64)
    place = np.arange(SCALE)
    pattern = (3 * place[:, None] + 2 * place)[None, :, None, :, None]
    large = 128 + 40 * cells[:, None, :, None] + pattern + tone
    made: NDArray[np.uint8] = np.rint(large).clip(0, 255).astype(np.uint8)
    return made.reshape(z.shape[0] * SCALE, z.shape[1] * SCALE, 3)


def encoded(pixels: NDArray[np.uint8], mask: NDArray[np.float32], noise: Floats) -> NDArray[np.float32]:
    """What stands for an encoder: picture `[H, W, 3]`, mask `[H, W, 1]` and noise `[h, w, C]` to z `[h, w, C]`."""
    height, width, channels = noise.shape
    sums = pixels.reshape(height, SCALE, width, SCALE, 3).sum(axis=(1, 3), dtype=np.int64)
    hidden = mask.reshape(height, SCALE, width, SCALE).sum(axis=(1, 3), dtype=np.int64)[..., None]
    colours = np.stack([sums[..., channel % 3] for channel in range(channels)], axis=-1)
    z = (colours / SCALE**2 / 127.5 - 1) * (1 - hidden / SCALE**2) + 0.1 * noise.astype(np.float64)
    made: NDArray[np.float32] = z.astype(np.float32)
    return made


def _blends() -> Iterator[Case]:
    """Outputs of passes whose tones differ: the SHA-256 of the 8-bit picture, and the sum of its numbers before."""
    sizes = [(67, 40, 32, 32), (90, 131, 48, 48), (20, 70, 20, 33), (96, 96, 48, 48), (128, 30, 64, 30), (50, 50, 9, 9)]
    for seed, (height, width, down, across) in enumerate(sizes):
        recipe = _latent_recipe(seed, (4, height, width), "float32")
        mosaic = Mosaic(rows=cut(height, down), columns=cut(width, across))
        tones = count(step=7)

        def run(parts: list[Floats], tones: Iterator[int] = tones) -> NDArray[np.uint8]:
            return decoded(parts[0], next(tones) % 23)

        made = in_passes(run, [np.moveaxis(latent(recipe), 0, -1)], mosaic)
        yield {
            "latent": recipe,
            "canvas": [down, across],
            "passes": mosaic.passes,
            "picture": _digest(np.rint(made).clip(0, 255).astype(np.uint8)),
            "sum": float(made.sum(dtype=np.float64)),
            "squares": float((made.astype(np.float64) ** 2).sum()),
        }


def _latent_recipe(seed: int, shape: Sequence[int], dtype: str) -> Recipe:
    channels = shape[0]
    return {
        "seed": seed,
        "shape": list(shape),
        "scale": [1.0 + 0.25 * channel for channel in range(channels)],
        "offset": [0.1 * channel for channel in range(channels)],
        "dtype": dtype,
    }


def _budgets() -> Iterator[Case]:
    """Runs of an engine that takes `linear*n + square*n*n` bytes for n cells, up to a largest side, within budgets."""
    chosen = Random(8)
    for _ in range(80):
        linear, square = chosen.choice([(1000, 0), (1000, 2), (0, 3), (137, 1), (50_000, 0)])
        budget = chosen.choice([100, 100_000, 3_000_000, 10**9])
        wanted, most = chosen.choice([64, 400, 5000, 10**6]), chosen.choice([30, 10_000])
        tried: list[int] = []

        def probe(side: int, most: int = most, tried: list[int] = tried, by: Sequence[int] = (linear, square)) -> Any:
            tried.append(side)
            cells = min(side, most) ** 2
            return cells, by[0] * cells + by[1] * cells**2

        cells, needed = largest(probe, budget=budget, least=SMALLEST, wanted=wanted)
        given = {"linear": linear, "square": square, "budget": budget, "wanted": wanted, "most": most}
        yield {**given, "tried": tried, "cells": cells, "needed": needed}


def _growths() -> Iterator[Case]:
    for measured in ([(64, 1000)], [(64, 1000), (256, 5000)], [(64, 1000), (256, 2000)], [(64, 10), (100, 9999)]):
        yield {"measured": measured, "bytes": [[n, growth(measured)(n)] for n in (1, 64, 100, 4096, 1 << 40)]}


@dataclass(frozen=True, slots=True)
class _Host:
    array: NDArray[Any]

    def numpy(self) -> NDArray[Any]:
        return self.array


@dataclass(frozen=True, slots=True)
class _Double:
    """A session that runs `decoded`, or `encoded` where it reads pictures."""

    inputs: Sequence[Port]
    outputs: Sequence[Port]

    def upload(self, array: NDArray[Any]) -> _Host:
        return _Host(array.copy())

    def run(self, inputs: Mapping[str, _Host], outputs: Mapping[str, None]) -> dict[str, _Host]:
        read = {Port.parse(name).kind: buffer.array[0] for name, buffer in inputs.items()}
        written = self.outputs[0]
        z = np.moveaxis(read["latent"], 0, -1)
        if written.kind == "image":
            return {written.tensor: _Host(decoded(z)[None])}
        made = encoded(read["image"], np.moveaxis(read["mask"], 0, -1), z).astype(written.dtype)
        return {written.tensor: _Host(np.moveaxis(made, -1, 0)[None])}


def _vae(dtype: str, sides: Sequence[int] | None) -> Autoencoder:
    space = LatentSpace(name="double", channels=4, downscale=SCALE, scaling=0.5)
    port = latent_port(space, dtype)
    limits = {} if sides is None else {dim: (side, side, side) for dim, side in zip(("h", "w"), sides, strict=True)}

    def engine(component: str, inputs: Sequence[Port], outputs: Sequence[Port]) -> Engine:
        session: Any = _Double(inputs, outputs)
        return Engine(component=component, bundle="double", session=session, declared=((), ()), limits=limits)

    return Autoencoder(
        name="double",
        linked=LinkedVae(
            decoder=engine("vae_decoder", [port], [image_port()]),
            encoder=engine("vae_encoder", [image_port(), mask_port(1), port.at("noise")], [port]),
            latent=port,
        ),
    )


def _autoencoders() -> Iterator[Case]:
    """Latents decoded and pictures encoded, whole and in passes, with a double of an engine."""
    for seed, (dtype, sides) in enumerate(
        (dtype, sides) for dtype in ("float32", "float16") for sides in (None, (24, 40), (32, 32), (64, 64))
    ):
        vae, size = _vae(dtype, sides), (64, 64) if sides == (64, 64) else (50, 70)
        z = [_latent_recipe(100 * seed + number, (4, *size), "float32") for number in range(2)]
        pictures = vae.decode(np.stack([latent(one) for one in z]))
        seen: list[Recipe] = [
            {
                "seed": 1000 + 100 * seed + number,
                "size": [side * SCALE for side in size],
                "base": [20, 60, 100],
                "slope": [0, 1, 0],
                "amplitude": [200, 50, 150],
                "grey": False,
            }
            for number in range(2)
        ]
        mask = np.zeros((2, 1, *(side * SCALE for side in size)), np.float32)
        mask[:, :, 10:90, 30:77] = 1
        shown = np.stack([picture(one) for one in seen])
        noise = np.stack([latent(one) for one in z])
        made = vae.encode(shown, mask, noise), vae.encode(shown, None, np.zeros_like(noise))
        height, width = (side * SCALE for side in size)
        yield {
            "dtype": dtype,
            "sides": sides,
            "latents": z,
            "pictures": [_digest(np.asarray(one)) for one in pictures],
            "seen": seen,
            "passes": vae.passes(width=width, height=height, encode=True, decode=True),
            "encoded": [_digest(one) for one in made],
            "sums": [float(one.sum(dtype=np.float64)) for one in made],
        }
    yield from _misfits()


def _misfits() -> Iterator[Case]:
    """Sizes that no pass of an engine has."""
    vae = _vae("float32", (64, 64))
    for size in ((32, 64), (64, 63)):
        case: Case = {"dtype": "float32", "sides": (64, 64), "zeros": (1, 4, *size)}
        yield with_message(case, partial(vae.decode, np.zeros((1, 4, *size), np.float32)))


def _sizes() -> Iterator[Case]:
    """Sizes of pictures that a transfer encodes: requested ones, the nearest ones, and those that are refused."""
    chosen = Random(9)
    limits: tuple[Case, ...] = ({}, {"H": [64, 64, 512], "W": [64, 64, 512]}, {"h": [8, 16, 64], "w": [8, 16, 96]})
    for _ in range(120):
        given: Case = {
            "own": [SCALE * chosen.randrange(20, 60), SCALE * chosen.randrange(20, 60)],
            "width": chosen.choice([None, None, 0, 90, 128, 333, 1000, 20_000]),
            "height": chosen.choice([None, None, None, 64, 77, 512]),
            "fit": chosen.random() < 0.4,
            "multiple": chosen.choice([4, 8, 16]),
            "limits": chosen.choice(limits),
        }
        yield {**given, **_size_found(given)}


def _size_found(given: Case) -> Case:
    engine: Any = SimpleNamespace(title="denoiser of other", limits=given["limits"])
    destination: Any = SimpleNamespace(
        name="other",
        sampling=SimpleNamespace(size_multiple=given["multiple"]),
        space=SimpleNamespace(downscale=SCALE),
        whole_engines=(engine,),
    )
    try:
        return {"size": _size(given["own"], given["width"], given["height"], given["fit"], destination)}
    except LatentLinkError as error:
        return {"message": error.message, "remedy": error.remedy}


def vae() -> dict[str, Any]:
    """Everything of `vae.json`."""
    parts: dict[str, Callable[[], Iterator[Case]]] = {
        "cuts": _cuts,
        "fits": _fits,
        "refused": _refused,
        "blends": _blends,
        "budgets": _budgets,
        "growths": _growths,
        "autoencoders": _autoencoders,
        "sizes": _sizes,
    }
    return {name: [*part()] for name, part in parts.items()}
