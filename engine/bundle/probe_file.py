"""Probes on disk: one safetensors file a component. docs/bundle-format.md has the layout."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from latentlink.engine.bundle.printable import is_printable
from latentlink.engine.bundle.probes import Arrays, Probe, Probes
from latentlink.engine.bundle.record_checks import MAX_TEXT, REMEDY
from latentlink.errors import BundleError
from latentlink.ports import Port

METADATA = "latentlink.probes"
COMMON = "all"
"""Prefix of inputs that all probes share."""

MAX_BYTES = 256 << 20
MAX_PROBES = 64
MAX_HEADER = 4 << 20
MAX_ELEMENTS = 1 << 24

MAX_POSITIONS: Mapping[bool, int] = {True: 1 << 22, False: 1 << 16}
"""Largest product of a port's free sizes in one probe, for pictures and for all others: a picture of 2048x2048. What
an engine takes to run a probe is not known before, so the sizes themselves are bounded."""

MAX_ALL = 4
"""How many times as much all probes of a file may have together."""
MAX_NAME = 64

_NAME = re.compile(r"[a-z0-9]+([-_.][a-z0-9]+)*")


def write_probes(path: Path, probes: Probes) -> None:
    """Write the probes of a component; inputs that all of them share are written once.

    Raises:
        OSError: The file cannot be written.
    """
    first = probes.probes[0]
    shared = [tensor for tensor in first.inputs if len(probes.probes) > 1 and _is_shared(probes, tensor)]
    tensors = {f"{COMMON}/{tensor}": first.inputs[tensor] for tensor in shared}
    for probe in probes.probes:
        tensors |= {f"{probe.name}/{name}": array for name, array in probe.inputs.items() if name not in shared}
        tensors |= {f"{probe.name}/{name}": array for name, array in probe.outputs.items()}
    record = {
        "reference": probes.reference,
        "probes": [
            {"name": probe.name, "prompt": probe.prompt, "strides": dict(probe.strides)} for probe in probes.probes
        ],
        **({} if probes.training is None else {"training": probes.training}),
    }
    data = save(
        {name: np.ascontiguousarray(array) for name, array in tensors.items()},
        metadata={METADATA: json.dumps(record)},
    )
    path.write_bytes(data)


def read_probes(path: Path, inputs: Sequence[Port], outputs: Sequence[Port]) -> Probes:
    """Read the probes of a component.

    Args:
        path: The file; it is not trusted.
        inputs: Input ports of the component.
        outputs: Its output ports.

    Raises:
        BundleError: It is no file of probes, or its tensors are not those of the ports.
        OSError: It cannot be read.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise _damaged(path, f"has {size} bytes, expected at most {MAX_BYTES}")
    with path.open("rb") as opened:
        header = int.from_bytes(opened.read(8), "little")
    if MAX_HEADER < header < size:
        raise _damaged(path, f"has a header of {header} bytes, expected at most {MAX_HEADER}")
    try:
        with safe_open(path, framework="numpy") as file:
            record = json.loads((file.metadata() or {})[METADATA])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        heads = [_head(item) for item in record["probes"][: MAX_PROBES + 1]]
        reference = str(record["reference"])
        training = _object(record["training"]) if record.get("training") is not None else None
    except (SafetensorError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        cause = f"{type(error).__name__}: {str(error)[:80]!a}"
        raise _damaged(path, f"is no safetensors file of probes ({cause})") from None
    names = {name for name, _, _ in heads}
    if not 1 <= len(heads) <= MAX_PROBES or len(names) < len(heads) or COMMON in names:
        raise _damaged(path, f"holds {len(heads)} probes or more, expected 1 to {MAX_PROBES}, each with its own name")
    found = Probes(
        reference=reference[:64] if is_printable(reference) else "",
        probes=tuple(
            Probe(
                name=name,
                prompt=prompt if isinstance(prompt, str) else None,
                inputs=_port_arrays(path, tensors, name, inputs, {}),
                outputs=_port_arrays(path, tensors, name, outputs, strides),
                strides=strides,
            )
            for name, prompt, strides in heads
        ),
        training=training,
    )
    _check_sizes(path, found, inputs, outputs)
    return found


def _is_shared(probes: Probes, tensor: str) -> bool:
    """Whether all probes have the same array for an input."""
    first, *others = (probe.inputs[tensor] for probe in probes.probes)
    return all(first.shape == other.shape and np.array_equal(first, other) for other in others)


def _head(item: Any) -> tuple[str, str | None, dict[str, int]]:
    """Name, prompt and strides of a probe's record.

    Raises:
        ValueError: One of them is not what the format allows.
    """
    name, prompt, strides = item["name"], item["prompt"], _object(item["strides"])
    if not isinstance(name, str) or len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise ValueError("a name is short, of lower-case letters and digits")
    if prompt is not None and (not isinstance(prompt, str) or not is_printable(prompt) or len(prompt) > MAX_TEXT):
        raise ValueError("a prompt is printable text")
    if not all(type(k) is int and 1 <= k <= MAX_BYTES for k in strides.values()):
        raise ValueError("a stride is a whole number from 1")
    return name, prompt, strides


def _object(value: object) -> dict[str, Any]:
    """A JSON object; `dict` would also take a list of pairs.

    Raises:
        ValueError: It is another value.
    """
    if not isinstance(value, dict):
        raise ValueError("strides and training are objects")
    return value


def _port_arrays(
    path: Path, tensors: Arrays, probe: str, ports: Sequence[Port], strides: Mapping[str, int]
) -> dict[str, NDArray[Any]]:
    """A probe's arrays of these ports, each with the dtype and shape of its port."""
    arrays: dict[str, NDArray[Any]] = {}
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
        arrays[port.tensor] = array
    return arrays


def _check_sizes(path: Path, probes: Probes, inputs: Sequence[Port], outputs: Sequence[Port]) -> None:
    """Refuse a free dimension of two sizes in one probe, and sizes beyond `MAX_POSITIONS`, before an engine runs."""
    spent = dict.fromkeys(MAX_POSITIONS, 0)
    for probe in probes.probes:
        sizes: dict[str, int] = {}
        largest = dict.fromkeys(MAX_POSITIONS, 0)
        for port in (*inputs, *outputs):
            if port.tensor in probe.strides and port.tensor not in probe.inputs:  # every k-th element, in one dimension
                continue
            array = {**probe.outputs, **probe.inputs}[port.tensor]
            own = {dim: size for dim, size in zip(port.shape, array.shape, strict=True) if isinstance(dim, str)}
            for dim, size in own.items():
                if sizes.setdefault(dim, size) != size:
                    raise _damaged(path, f"has {dim} = {sizes[dim]} and {size} in its probe {probe.name}, expected one")
            picture = port.kind == "image"
            largest[picture] = max(largest[picture], math.prod(own.values()))
        for picture, most in MAX_POSITIONS.items():
            spent[picture] += largest[picture]
            if largest[picture] > most or spent[picture] > MAX_ALL * most:
                raise _damaged(
                    path,
                    f"has {largest[picture]} {'pixels' if picture else 'elements'} in its probe {probe.name} and "
                    f"{spent[picture]} up to there, expected at most {most} and {MAX_ALL * most}",
                )


def _fits(shape: tuple[int, ...], port: Port) -> bool:
    return all(isinstance(dim, str) or dim == size for dim, size in zip(port.shape, shape, strict=True))


def _damaged(path: Path, problem: str) -> BundleError:
    return BundleError(f"{str(path)!r} {problem}.", remedy=REMEDY)
