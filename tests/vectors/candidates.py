"""What both runtimes are asked of components that replace others: a few numbers for a network.

A decoder makes of a latent z the picture `round(128 + 60 * matrix @ (factor * z + shift))`; an encoder makes of the
golden latent g `factor * g + shift + wave * sin(number of the element)`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentlink.engine.bundle import Arrays, Probe, Probes
from latentlink.ports import image_port, latent_port
from latentlink.runtime.probing.candidate import judge
from latentlink.spaces import LatentSpace

LATENT = latent_port(LatentSpace(name="one", channels=2, downscale=8))
IMAGE = image_port()

SIDE, PROBES = 6, 3

MATRIX = [[0.8, -0.3], [0.1, 0.9], [-0.5, 0.4]]

AS_IT_IS = {"matrix": MATRIX, "factor": 1.0, "shift": [0.0, 0.0]}

DECODERS: tuple[dict[str, Any], ...] = (
    AS_IT_IS,
    {**AS_IT_IS, "matrix": [[0.8, -0.3], [0.1, 0.9], [-0.5, 0.45]]},
    {**AS_IT_IS, "matrix": [[0.7, -0.3], [0.2, 0.8], [-0.4, 0.3]]},
    {**AS_IT_IS, "matrix": [row[::-1] for row in MATRIX]},
    {**AS_IT_IS, "matrix": [[0.0, 0.0]] * 3},
    {**AS_IT_IS, "factor": 1.1},
    {**AS_IT_IS, "factor": 0.8},
    {**AS_IT_IS, "shift": [0.2, -0.1]},
)

ENCODERS: tuple[dict[str, Any], ...] = (
    {"factor": 1.0, "shift": [0.0, 0.0], "wave": 0.0},
    {"factor": 1.0, "shift": [0.0, 0.0], "wave": 0.1},
    {"factor": 1.25, "shift": [0.0, 0.0], "wave": 0.1},
    {"factor": 1.0, "shift": [0.3, -0.2], "wave": 0.05},
    {"factor": -1.0, "shift": [0.0, 0.0], "wave": 0.0},
)


def latents() -> list[NDArray[np.float32]]:
    """A latent for each probe."""
    draw = np.random.default_rng(7)
    return [draw.standard_normal((1, 2, SIDE, SIDE)).astype(np.float32).round(3) for _ in range(PROBES)]


def decoded(decoder: dict[str, Any], z: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The picture that a decoder makes."""
    values = [decoder["factor"] * z[:, c].astype(np.float64) + decoder["shift"][c] for c in range(2)]
    colours = [128 + 60 * (row[0] * values[0] + row[1] * values[1]) for row in decoder["matrix"]]
    made: NDArray[np.uint8] = np.clip(np.rint(np.stack(colours, axis=-1)), 0, 255).astype(np.uint8)
    return made


def encoded(encoder: dict[str, Any], golden: NDArray[np.float32]) -> NDArray[np.float32]:
    """The latent that an encoder makes."""
    wave = encoder["wave"] * np.sin(np.arange(golden.size, dtype=np.float64)).reshape(golden.shape)
    shift = np.array(encoder["shift"]).reshape(1, 2, 1, 1)
    made: NDArray[np.float32] = (encoder["factor"] * golden.astype(np.float64) + shift + wave).astype(np.float32)
    return made


def _told(component: dict[str, Any], reads: Any, writes: Any, probes: list[Probe], run: Any) -> dict[str, Any]:
    found = judge(Probes(reference="torch", probes=tuple(probes)), run, (reads,), (writes,))
    numbers = {"psnr": found.agreement.psnr, "snr": found.snr, "gain": found.gain, "factor": found.factor}
    answer = {key: value if np.isfinite(value) else str(value) for key, value in numbers.items()}
    refusal = "" if found.accepted else found.summary()
    return {"component": component, **answer, "same": found.same, "refusal": refusal}


def judgements() -> dict[str, Any]:
    """The probes' latents, and what is said of every component on them."""
    given = latents()
    decoders = []
    for decoder in DECODERS:
        probes = [
            Probe(name=str(n), inputs={LATENT.tensor: z}, outputs={IMAGE.tensor: decoded(AS_IT_IS, z)})
            for n, z in enumerate(given)
        ]

        def decode(inputs: Arrays, decoder: dict[str, Any] = decoder) -> Arrays:
            return {IMAGE.tensor: decoded(decoder, inputs[LATENT.tensor])}

        decoders.append(_told(decoder, LATENT, IMAGE, probes, decode))
    encoders = []
    for encoder in ENCODERS:
        probes = [
            Probe(name=str(n), inputs={IMAGE.tensor: np.full((1, 8, 8, 3), n, np.uint8)}, outputs={LATENT.tensor: z})
            for n, z in enumerate(given)
        ]

        def encode(inputs: Arrays, encoder: dict[str, Any] = encoder) -> Arrays:
            return {LATENT.tensor: encoded(encoder, given[inputs[IMAGE.tensor].flat[0]])}

        encoders.append(_told(encoder, IMAGE, LATENT, probes, encode))
    return {
        "golden": AS_IT_IS,
        "latents": [[float(str(number)) for number in z.ravel()] for z in given],
        "decoders": decoders,
        "encoders": encoders,
    }
