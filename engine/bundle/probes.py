"""Probes: golden inputs of a component, and what its reference computed from them.

A check compares the compiled engine's own outputs with the reference's own numbers. So neither an edited manifest nor a
forged symbol can make one model's component pass for another's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentlink.engine.bundle.engine_entry import SizeLimits
from latentlink.engine.bundle.record_checks import REMEDY
from latentlink.engine.quality import Agreement, measure_agreement
from latentlink.errors import BundleError
from latentlink.ports import Port

Arrays: TypeAlias = Mapping[str, NDArray[Any]]
"""Arrays by tensor name."""

RunEngine: TypeAlias = Callable[[Arrays], Arrays]
"""Runs an engine: inputs to outputs."""

SAMPLE = 1 << 15
"""Most elements of an output that a probe stores; of a larger output it stores every k-th, to keep the file small."""

FITTED_SUFFIX = "-fitted"
"""End of the name of a probe that was made for the sizes of an engine."""

FITTED_REFERENCE = "onnx"
"""The reference of such a probe: the exported graph, run by ONNX Runtime."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Probe:
    """One golden input and the reference's outputs.

    Args:
        name: What it shows: `edges-64x64`.
        inputs: An array for every input port.
        outputs: For every output port the reference's array, or every `stride`-th element of it, flattened.
        strides: By tensor name; a tensor that is not named has stride 1, and its output is whole.
        prompt: The text that the token ids are made from.
    """

    name: str
    inputs: Arrays
    outputs: Arrays
    strides: Mapping[str, int] = field(default_factory=dict)
    prompt: str | None = None

    @classmethod
    def from_outputs(cls, *, name: str, inputs: Arrays, outputs: Arrays, prompt: str | None = None) -> Self:
        """A probe from whole outputs, of which at most `SAMPLE` elements each are stored."""
        strides = {tensor: _stride(array) for tensor, array in outputs.items() if array.size > SAMPLE}
        samples = {tensor: _every(array, strides.get(tensor, 1)) for tensor, array in outputs.items()}
        return cls(name=name, inputs=inputs, outputs=samples, strides=strides, prompt=prompt)

    def pairs(self, outputs: Arrays) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """Pairs of an engine's output and the reference's, as `measure_agreement` takes them.

        Raises:
            BundleError: An output has another shape than the reference's.
        """
        pairs = []
        for tensor, reference in self.outputs.items():
            output = _every(outputs[tensor], self.strides.get(tensor, 1))
            if output.shape != reference.shape:
                raise BundleError(
                    f"The probe {self.name} has {list(reference.shape)} for {tensor}, but the engine made "
                    f"{list(output.shape)}.",
                    remedy=REMEDY,
                )
            pairs.append((output, reference))
        return pairs


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Probes:
    """The probes of one component.

    Args:
        reference: What computed the outputs: `torch 2.13.0 float32`.
        probes: At least one; a quick check takes the first.
        training: `Sampling.training()` of the export, in the denoiser's probes: no output of an engine shows which
            schedule it was trained with. None in those of other components, and in bundles of earlier versions.
    """

    reference: str
    probes: tuple[Probe, ...]
    training: Mapping[str, Any] | None = None

    def check(self, run: RunEngine, precision: str, *, quick: bool = False) -> Agreement:
        """Run an engine on its probes.

        Args:
            run: Runs the engine.
            precision: What it computes in, see `measure_agreement`.
            quick: Run the first probe only.
        """
        chosen = self.probes[:1] if quick else self.probes
        fitted = all(probe.name.endswith(FITTED_SUFFIX) for probe in chosen)
        pairs = (pair for probe in chosen for pair in probe.pairs(run(probe.inputs)))
        return measure_agreement(pairs, precision, onnx=fitted)

    def within(self, limits: SizeLimits, ports: Sequence[Port]) -> Self | None:
        """The probes of sizes that an engine takes, None if there is none; fitted ones only if no other is.

        Args:
            limits: Sizes that the engine was built for.
            ports: The component's inputs.
        """
        fitting = [probe for probe in self.probes if _sizes(probe, ports) == _nearest(_sizes(probe, ports), limits)]
        original = [probe for probe in fitting if not probe.name.endswith(FITTED_SUFFIX)]
        if original:
            return replace(self, probes=tuple(original))
        return replace(self, reference=FITTED_REFERENCE, probes=tuple(fitting)) if fitting else None

    def fit(self, limits: SizeLimits, ports: Sequence[Port], run: RunEngine, count: int) -> Self:
        """Probes of sizes that an engine takes.

        Args:
            limits: Sizes that the engine was built for.
            ports: The component's inputs.
            run: Runs the graph that the engine was built from, for new reference outputs.
            count: How many probes to make if none fits: large ones take time.

        Returns:
            The probes that fit. If none does, the first ones, tiled to a size that fits, in the smallest batch.
        """
        fitting = self.within(limits, ports)
        if fitting is not None:
            return fitting
        made = []
        smallest, _, _ = limits.get("B", (1, 1, 1))
        for probe in self.probes[:count]:
            sizes = _nearest(_sizes(probe, ports), {**limits, "B": (smallest, smallest, smallest)})
            inputs = {port.tensor: tile(probe.inputs[port.tensor], port, sizes) for port in ports}
            made.append(Probe.from_outputs(name=f"{probe.name}{FITTED_SUFFIX}", inputs=inputs, outputs=run(inputs)))
        return replace(self, reference=FITTED_REFERENCE, probes=tuple(made))


def tile(array: NDArray[Any], port: Port, sizes: Mapping[str, int]) -> NDArray[Any]:
    """The array repeated along its free dimensions up to these sizes."""
    for axis, dim in enumerate(port.shape):
        if isinstance(dim, str):
            array = np.take(array, np.arange(sizes[dim]) % array.shape[axis], axis=axis)
    return array


def _stride(array: NDArray[Any]) -> int:
    """The smallest sufficient stride that is coprime to every side: else some channels would never be sampled."""
    k = -(-array.size // SAMPLE)
    while any(math.gcd(k, side) > 1 for side in array.shape):
        k += 1
    return k


def _every(array: NDArray[Any], stride: int) -> NDArray[Any]:
    return array if stride == 1 else array.reshape(-1)[::stride]


def _sizes(probe: Probe, ports: Sequence[Port]) -> dict[str, int]:
    """Sizes of the free dimensions in this probe's inputs."""
    return {
        dim: size
        for port in ports
        for dim, size in zip(port.shape, probe.inputs[port.tensor].shape, strict=True)
        if isinstance(dim, str)
    }


def _nearest(sizes: Mapping[str, int], limits: SizeLimits) -> dict[str, int]:
    """The nearest sizes within the limits; the rows of text follow the batch."""
    nearest = {
        dim: min(max(size, limits[dim][0]), limits[dim][2]) if dim in limits else size for dim, size in sizes.items()
    }
    if "N" in nearest and "B" in nearest:
        nearest["N"] = sizes["N"] * nearest["B"] // sizes["B"]
    return nearest
