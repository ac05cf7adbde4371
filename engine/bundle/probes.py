"""Probes: golden inputs of a component and what its reference made of them, one safetensors file a component.

docs/bundle-format.md tells the layout. What is compared is the compiled engine's own output with the reference's own
numbers, so that neither an edited manifest nor a forged symbol can make one model's component pass for another's.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from latentlink.engine.bundle.checks import MAX_TEXT, REMEDY
from latentlink.engine.quality import Agreement
from latentlink.engine.quality.agreement import agreement
from latentlink.errors import BundleError
from latentlink.ports import Port

Arrays: TypeAlias = Mapping[str, NDArray[Any]]
"""By tensor name."""

Run: TypeAlias = Callable[[Arrays], Arrays]
"""Runs an engine: its inputs to its outputs."""

Limits: TypeAlias = Mapping[str, tuple[int, int, int]]
"""(smallest, best, largest) size by free dimension."""

METADATA = "latentlink.probes"
COMMON = "all"
MAX_BYTES = 256 << 20
MAX_PROBES = 64
MAX_ELEMENTS = 1 << 24
MAX_NAME = 64

SAMPLE = 1 << 15
"""Elements of an output that are kept; of a larger one every k-th, so that a file stays small."""

MADE, REFERENCE = "-fitted", "onnx"
"""End of the names of probes that were made for an engine's sizes, and what made their outputs: the exported graph."""

_NAME = re.compile(r"[a-z0-9]+([-_.][a-z0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Probe:
    """One golden input and what the reference made of it.

    Args:
        name: What it shows: `edges-64x64`.
        inputs: An array for every input port.
        outputs: For every output port the reference, or every `stride`-th element of it flattened.
        strides: By tensor name; 1 where it is not named, and the output is whole.
        prompt: The text whose token ids are the input.
    """

    name: str
    inputs: Arrays
    outputs: Arrays
    strides: Mapping[str, int] = field(default_factory=dict)
    prompt: str | None = None

    @classmethod
    def sampled(cls, *, name: str, inputs: Arrays, outputs: Arrays, prompt: str | None = None) -> Self:
        """A probe of whole outputs, of which as many elements are kept as belong in a file."""
        strides = {tensor: _stride(array) for tensor, array in outputs.items() if array.size > SAMPLE}
        kept = {tensor: _every(array, strides.get(tensor, 1)) for tensor, array in outputs.items()}
        return cls(name=name, inputs=inputs, outputs=kept, strides=strides, prompt=prompt)

    def pairs(self, outputs: Arrays) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """What an engine made beside what the reference made, as `agreement` takes them.

        Raises:
            BundleError: An output has another shape than the reference.
        """
        made = []
        for tensor, wanted in self.outputs.items():
            found = _every(outputs[tensor], self.strides.get(tensor, 1))
            if found.shape != wanted.shape:
                raise BundleError(
                    f"The probe {self.name} has {list(wanted.shape)} for {tensor}, but the engine made "
                    f"{list(found.shape)}.",
                    remedy=REMEDY,
                )
            made.append((found, wanted))
        return made


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Probes:
    """The probes of one component.

    Args:
        reference: What made the outputs: `torch 2.13.0 float32`.
        probes: At least one; the first is the one that a quick check takes.
    """

    reference: str
    probes: tuple[Probe, ...]

    def check(self, run: Run, precision: str, *, quick: bool = False) -> Agreement:
        """Run an engine on its probes.

        Args:
            run: Runs it.
            precision: What it computes in, see `agreement`.
            quick: Whether the first probe is enough.
        """
        chosen = self.probes[:1] if quick else self.probes
        fitted = all(probe.name.endswith(MADE) for probe in chosen)
        pairs = (pair for probe in chosen for pair in probe.pairs(run(probe.inputs)))
        return agreement(pairs, precision, fitted=fitted)

    def save(self, path: Path) -> None:
        """Write them; inputs that all probes share are written once."""
        shared = [tensor for tensor in self.probes[0].inputs if len(self.probes) > 1 and self._shares(tensor)]
        tensors = {f"{COMMON}/{tensor}": self.probes[0].inputs[tensor] for tensor in shared}
        for probe in self.probes:
            tensors |= {f"{probe.name}/{name}": array for name, array in probe.inputs.items() if name not in shared}
            tensors |= {f"{probe.name}/{name}": array for name, array in probe.outputs.items()}
        record = {
            "reference": self.reference,
            "probes": [
                {"name": probe.name, "prompt": probe.prompt, "strides": dict(probe.strides)} for probe in self.probes
            ],
        }
        data = save(
            {name: np.ascontiguousarray(array) for name, array in tensors.items()},
            metadata={METADATA: json.dumps(record)},
        )
        path.write_bytes(data)

    def _shares(self, tensor: str) -> bool:
        first, *others = (probe.inputs[tensor] for probe in self.probes)
        return all(first.shape == other.shape and np.array_equal(first, other) for other in others)

    @classmethod
    def load(cls, path: Path, inputs: Sequence[Port], outputs: Sequence[Port]) -> Self:
        """Read the probes of a component with these ports.

        Raises:
            BundleError: It is no such file, or its tensors are not those of the ports.
            OSError: It cannot be read.
        """
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise _damaged(path, f"has {size} bytes, expected at most {MAX_BYTES}")
        try:
            with safe_open(path, framework="numpy") as file:
                record = json.loads((file.metadata() or {})[METADATA])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
            heads = [_head(item) for item in record["probes"][: MAX_PROBES + 1]]
            reference = str(record["reference"])
        except (SafetensorError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            told = f"{type(error).__name__}: {str(error)[:80]!a}"
            raise _damaged(path, f"is no safetensors file of probes ({told})") from None
        names = {name for name, _, _ in heads}
        if not 1 <= len(heads) <= MAX_PROBES or len(names) < len(heads) or COMMON in names:
            raise _damaged(
                path, f"holds {len(heads)} probes or more, expected 1 to {MAX_PROBES}, each with its own name"
            )
        return cls(
            reference=reference[:64] if reference.isprintable() else "",
            probes=tuple(
                Probe(
                    name=name,
                    prompt=prompt if isinstance(prompt, str) else None,
                    inputs=_read(path, tensors, name, inputs, {}),
                    outputs=_read(path, tensors, name, outputs, strides),
                    strides=strides,
                )
                for name, prompt, strides in heads
            ),
        )

    def within(self, limits: Limits, ports: Sequence[Port]) -> Self | None:
        """Those of the sizes that an engine was built for, or None; made ones only where no other fits.

        Args:
            limits: (smallest, best, largest) size by free dimension, as `EngineEntry` has them.
            ports: The component's inputs.
        """
        fitting = [probe for probe in self.probes if _sizes(probe, ports) == _within(_sizes(probe, ports), limits)]
        own = [probe for probe in fitting if not probe.name.endswith(MADE)]
        if own:
            return replace(self, probes=tuple(own))
        return replace(self, reference=REFERENCE, probes=tuple(fitting)) if fitting else None

    def fitted(self, limits: Limits, ports: Sequence[Port], run: Run, count: int) -> Self:
        """Probes of the sizes that an engine was built for.

        Args:
            limits: As for `within`.
            ports: The component's inputs.
            run: Runs the graph that the engine was built from, for the new references.
            count: How many probes are made where none fits: large ones cost time.

        Returns:
            Those that fit; where none does, the first ones repeated side by side to a size that fits, in the smallest
            batch.
        """
        found = self.within(limits, ports)
        if found is not None:
            return found
        made = []
        least, _, _ = limits.get("B", (1, 1, 1))
        for probe in self.probes[:count]:
            sizes = _within(_sizes(probe, ports), {**limits, "B": (least, least, least)})
            inputs = {port.tensor: tiled(probe.inputs[port.tensor], port, sizes) for port in ports}
            made.append(Probe.sampled(name=f"{probe.name}{MADE}", inputs=inputs, outputs=run(inputs)))
        return replace(self, reference=REFERENCE, probes=tuple(made))


def _head(item: Any) -> tuple[str, str | None, dict[str, int]]:
    """Name, prompt and strides of a probe's record.

    Raises:
        ValueError: One is not what the format allows.
    """
    name, prompt, strides = item["name"], item["prompt"], dict(item["strides"])
    if not isinstance(name, str) or len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise ValueError("a name is short, of lower-case letters and digits")
    if prompt is not None and (not isinstance(prompt, str) or not prompt.isprintable() or len(prompt) > MAX_TEXT):
        raise ValueError("a prompt is printable text")
    if not all(type(k) is int and 1 <= k <= MAX_BYTES for k in strides.values()):
        raise ValueError("a stride is a whole number from 1")
    return name, prompt, strides


def _stride(array: NDArray[Any]) -> int:
    """The least k that is large enough and shares no factor with any side: else some channels would never be seen."""
    k = -(-array.size // SAMPLE)
    while any(math.gcd(k, side) > 1 for side in array.shape):
        k += 1
    return k


def _every(array: NDArray[Any], stride: int) -> NDArray[Any]:
    return array if stride == 1 else array.reshape(-1)[::stride]


def _sizes(probe: Probe, ports: Sequence[Port]) -> dict[str, int]:
    """Sizes of the free dimensions that this probe's inputs have."""
    return {
        dim: size
        for port in ports
        for dim, size in zip(port.shape, probe.inputs[port.tensor].shape, strict=True)
        if isinstance(dim, str)
    }


def _within(sizes: Mapping[str, int], limits: Limits) -> dict[str, int]:
    """The nearest sizes within the limits; rows of text go with the pictures of a batch."""
    moved = {
        dim: min(max(size, limits[dim][0]), limits[dim][2]) if dim in limits else size for dim, size in sizes.items()
    }
    if "N" in moved and "B" in moved:
        moved["N"] = sizes["N"] * moved["B"] // sizes["B"]
    return moved


def tiled(array: NDArray[Any], port: Port, sizes: Mapping[str, int]) -> NDArray[Any]:
    """The array repeated along its free dimensions up to these sizes."""
    for axis, dim in enumerate(port.shape):
        if isinstance(dim, str):
            array = np.take(array, np.arange(sizes[dim]) % array.shape[axis], axis=axis)
    return array


def _read(
    path: Path, tensors: Arrays, probe: str, ports: Sequence[Port], strides: Mapping[str, int]
) -> dict[str, NDArray[Any]]:
    """The arrays of these ports, each of its port's dtype and shape."""
    found: dict[str, NDArray[Any]] = {}
    for port in ports:
        array = tensors.get(f"{probe}/{port.tensor}", tensors.get(f"{COMMON}/{port.tensor}"))
        if array is None:
            raise _damaged(path, f"has no {port.tensor} in its probe {probe}, expected one for every port")
        stride = strides.get(port.tensor, 1)
        fits = stride > 1 and array.ndim == 1
        fits = fits or (stride == 1 and len(array.shape) == len(port.shape) and _fits(array.shape, port))
        if array.dtype != np.dtype(port.dtype) or not fits or not 0 < array.size <= MAX_ELEMENTS:
            raise _damaged(
                path,
                f"has {array.dtype} {list(array.shape)} for {port.tensor} in its probe {probe}, expected {port.dtype} "
                f"of the port's shape",
            )
        found[port.tensor] = array
    return found


def _fits(shape: tuple[int, ...], port: Port) -> bool:
    return all(isinstance(dim, str) or dim == size for dim, size in zip(port.shape, shape, strict=True))


def _damaged(path: Path, problem: str) -> BundleError:
    return BundleError(f"{str(path)!r} {problem}.", remedy=REMEDY)
