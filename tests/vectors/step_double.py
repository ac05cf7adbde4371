"""A denoiser on paper: the step's formula around a network of a few sums, in float32. `step_double.h` is the same.

Every number is made by the same operations in the same order, so that both runtimes make the same bits of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentlink.ports import (
    COEFFICIENTS,
    HISTORY,
    Port,
    coefficients_port,
    condition_port,
    feature_port,
    guidance_port,
    latent_port,
    mask_port,
    text_port,
)
from latentlink.runtime.sessions import Buffer
from latentlink.spaces import LatentSpace, TextEmbedding

Numbers = NDArray[Any]
"""float32, unless said otherwise."""

SPACE = LatentSpace(name="one", channels=4, downscale=8, scaling=0.55, weights="1" * 64)
TEXT = text_port(TextEmbedding(name="words", width=8, weights="3" * 64))
SIZE = condition_port("size", 2)
FEATURE = feature_port(2, 16, 1, "0badcafe", rows="N", dtype="float32")
MASK = mask_port(8)


def ports_of(kind: str, dtype: str) -> tuple[tuple[Port, ...], tuple[Port, ...]]:
    """Inputs and outputs of a denoiser: `cfg`, its `shallow` one, `embedded`, `unguided`, or one that is `masked`."""
    latent = latent_port(SPACE, dtype)
    slots = ["x", "noise", *(f"history{age}" for age in range(1, HISTORY + 1))]
    slots += {"masked": ["masked"], "unguided": []}.get(kind, ["init", "initnoise"])
    inputs = [latent.at(slot) for slot in slots] + [coefficients_port(), TEXT]
    if kind in ("cfg", "shallow"):
        inputs += [SIZE, guidance_port("cfg")]
    if kind in ("embedded", "masked"):
        inputs.append(guidance_port("embedded" if kind == "embedded" else "cfg"))
    if kind != "unguided":
        inputs.append(MASK)
    outputs = [latent, latent.at("denoised")]
    return (*inputs, *([FEATURE] if kind == "shallow" else [])), (*outputs, *([FEATURE] if kind == "cfg" else []))


class HostBuffer:
    """A buffer in host memory."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array

    def numpy(self) -> NDArray[Any]:
        """The array itself."""
        return self.array


class StepDouble:
    """A session of one of the kinds of `ports_of`, which writes down what it was run with.

    Args:
        kind: See `ports_of`.
        dtype: dtype of the latents.
        calls: Where every run is written down: the kind, the rows of x, and the rows of text.
    """

    def __init__(self, kind: str, dtype: str, calls: list[tuple[str, int, int]]) -> None:
        self.kind, self.dtype, self.calls = kind, np.dtype(dtype), calls
        self.latent = latent_port(SPACE, dtype)
        self.inputs, self.outputs = ports_of(kind, dtype)

    def upload(self, array: NDArray[Any]) -> Buffer:
        """A copy."""
        return HostBuffer(array.copy())

    def empty(self, shape: Sequence[int], dtype: np.dtype[Any]) -> Buffer:
        """Sevens, which nobody may read."""
        return HostBuffer(np.full(shape, 7, dtype))

    def write(self, buffer: Buffer, array: NDArray[Any]) -> None:
        """Copy into the buffer."""
        target = buffer.numpy()
        assert target.shape == array.shape
        assert target.dtype == array.dtype
        target[...] = array

    def take(self, buffer: Buffer) -> Buffer:
        """The same buffer."""
        return buffer

    def gather(self, buffer: Buffer, rows: Sequence[int], shape: Sequence[int]) -> Buffer:
        """Selected rows."""
        found = buffer.numpy().reshape(-1, *shape[1:])
        picked = found[np.maximum(rows, 0)]
        picked[np.equal(rows, -1)] = 0
        return HostBuffer(picked)

    def run(self, inputs: Mapping[str, Buffer], outputs: Mapping[str, Buffer | None]) -> Mapping[str, Buffer]:
        """One step."""
        assert {*inputs} == {port.tensor for port in self.inputs}
        assert {*outputs} == {port.tensor for port in self.outputs}
        read = {name: buffer.numpy() for name, buffer in inputs.items()}
        self.calls.append((self.kind, len(read[self.latent.at("x").tensor]), len(read[TEXT.tensor])))
        for name, array in self._step(read).items():
            buffer = outputs[name]
            assert buffer is not None
            self.write(buffer, array)
        return {name: buffer for name, buffer in outputs.items() if buffer is not None}

    def placement(self) -> Mapping[str, int]:
        """It is not split into nodes."""
        return {}

    def wait(self) -> None:
        """Nothing to wait for."""

    def trim(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing to release."""

    def _step(self, read: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        columns = read[coefficients_port().tensor]
        assert columns.shape[1] == len(COEFFICIENTS)
        c = {name: columns[:, i].reshape(-1, 1, 1, 1) for i, name in enumerate(COEFFICIENTS)}
        x = self._latent(read, "x")
        y = x
        if self.latent.at("init").tensor in read:
            own, noise, keep = self._latent(read, "init"), self._latent(read, "initnoise"), 1 - read[MASK.tensor]
            y = x + keep * ((c["keep"] - 1) * x + c["init"] * own + c["renoise"] * noise)
        m, deep = self._guided(read, c["c_in"] * y, c["t"])
        D = c["p"] * y + c["q"] * m
        made = c["a"] * y + c["own"] * x + c["b0"] * D
        for age in range(1, HISTORY + 1):
            made = made + c[f"b{age}"] * self._latent(read, f"history{age}")
        made = made + c["c"] * self._latent(read, "noise")
        written = {self.latent.tensor: made.astype(self.dtype), self.latent.at("denoised").tensor: D.astype(self.dtype)}
        if self.kind == "cfg":
            written[FEATURE.tensor] = deep
        return written

    def _latent(self, read: Mapping[str, NDArray[Any]], slot: str) -> Numbers:
        return read[self.latent.at(slot).tensor].astype(np.float32)

    def _guided(self, read: Mapping[str, NDArray[Any]], v: Numbers, t: Numbers) -> tuple[Numbers, Numbers]:
        """What the network predicts, with guidance, and its deep feature."""
        text = read[TEXT.tensor]
        halves = len(text) // len(v)
        v, t = np.concatenate([v] * halves), np.concatenate([t] * halves)
        deep = read.get(FEATURE.tensor, v[:, :2, ::2, ::2] * np.float32(0.5))
        m = v * np.float32(0.8 if self.kind == "shallow" else 0.9) + t * np.float32(2.0**-14)
        m = m + (text[:, 0, :4] * np.float32(0.125) + text[:, -1, 4:] * np.float32(0.0625))[:, :, None, None]
        if SIZE.tensor in read:
            size = read[SIZE.tensor]
            m = m + (size[:, 0] * np.float32(0.01) - size[:, 1] * np.float32(0.02)).reshape(-1, 1, 1, 1)
        if self.kind in ("cfg", "shallow"):
            m = m + deep[:, :1].repeat(2, axis=2).repeat(2, axis=3) * np.float32(0.1)
        if self.kind == "masked":
            own = self._latent(read, "masked") * np.float32(0.25) + read[MASK.tensor] * np.float32(0.5)
            m = m + np.concatenate([own] * halves)
        guidance = next((port.tensor for port in self.inputs if port.kind == "guidance"), None)
        if guidance is None:
            return m, deep
        w = read[guidance].reshape(-1, 1, 1, 1)
        if self.kind == "embedded":
            return m + w * np.float32(0.01), deep
        if halves == 2:
            without, given = m[: len(w)], m[len(w) :]
            m = without + w * (given - without)
        return m, deep
