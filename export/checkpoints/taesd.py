"""Tiny VAEs as their author publishes them (TAESD, Boer Bohan, 2023): numbered layers, one file a half or both in one.

The author numbers all layers of a half, those without weights too, so a gap in the numbers is such a layer. Files that
diffusers wrote number the decoder from its first convolution. Everything else follows from names and shapes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.networks.assemble import ConvertedState, State, assemble
from latentlink.export.checkpoints.networks.safetensors_file import read_header, read_tensors
from latentlink.export.checkpoints.networks.weights import PLAIN, refuse_names
from latentlink.export.checkpoints.single_file.header import PartShapes

EVIDENCE = re.compile(r"((en|de)coder\.layers\.)?\d{1,3}\.conv\.4\.weight")
"""A tensor of a residual block, which no other model names so."""

NAME = re.compile(r"(?:(encoder|decoder)\.layers\.)?(\d{1,3})\.(\w+(?:\.\w+)*)")

HALVES = ("encoder", "decoder")
WHOLE = "Get the file again, as its author publishes it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer of a half.

    Args:
        kind: `conv`, `block`, or one without weights: `clamp`, `relu`, `double` (the size of the picture).
        read: Channels that it reads; 0 for a layer without weights.
        written: Channels that it writes; 0 for a layer without weights.
        stride: Stride of a convolution: 2 halves the size.
        bias: Whether a convolution adds a bias.
        pooled: Whether a block begins with a branch that is normalised over the whole picture.
    """

    kind: str
    read: int = 0
    written: int = 0
    stride: int = 1
    bias: bool = True
    pooled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """One half in a file.

    Args:
        path: The file.
        names: Name of each tensor in the file, by its name in the author's numbering.
        layers: All its layers, in order.
        channels: Channels of the latent.
        downscale: Pixels per latent element along one side.
    """

    path: Path
    names: Mapping[str, str]
    layers: tuple[Layer, ...]
    channels: int
    downscale: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaesdFiles:
    """One or both halves of a tiny VAE.

    Args:
        where: The file or directory, for messages.
        halves: The halves that are there, by name.
        index: Empty: there are no other entries.
        notes: Empty: nothing contradicts itself.
    """

    where: str
    halves: Mapping[str, Half]
    index: Mapping[str, Any] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def find(cls, root: Path) -> TaesdFiles | None:
        """Read the headers of a file, or of the files of a directory.

        Args:
            root: A file or directory.

        Returns:
            The VAE; None if there is no half of a tiny VAE, or the directory is one of diffusers'.

        Raises:
            CheckpointError: A file is not whole, a half is damaged or there twice, or the halves do not fit together.
        """
        if (root / "model_index.json").exists() or (root / "config.json").exists():
            return None
        paths = [root] if root.is_file() else [*filter(Path.is_file, sorted(root.glob("*.safetensors")))]
        found: dict[str, Half] = {}
        for path in paths:
            for name, half in _halves(path).items():
                if name in found:
                    raise CheckpointError(
                        f"{str(root)!r} holds the {name}s of several tiny VAEs, {found[name].path.name} and "
                        f"{path.name}; expected one.",
                        remedy="Give one file, or a directory with the files of one VAE.",
                    )
                found[name] = half
        if not found:
            return None
        layouts = {(half.channels, half.downscale) for half in found.values()}
        if len(layouts) > 1:
            each = " and ".join(f"the {n} has {h.channels} channels, /{h.downscale}" for n, h in found.items())
            raise CheckpointError(
                f"The halves in {str(root)!r} do not fit together: {each}.", remedy="Give the files of one VAE."
            )
        return cls(where=repr(str(root)), halves=found)

    @property
    def classes(self) -> Mapping[str, str]:
        """One part of the author's class."""
        return {"vae": "TAESD"}

    @property
    def absent(self) -> frozenset[str]:
        """The component of the half that is not there, if any."""
        return frozenset(f"vae_{half}" for half in HALVES if half not in self.halves)

    def config(self, part: str) -> Mapping[str, Any]:
        """Layers by half, and the layout of the latent: `latent_channels` and `downscale`."""
        one = next(iter(self.halves.values()))
        layers = {name: half.layers for name, half in self.halves.items()}
        return {**layers, "latent_channels": one.channels, "downscale": one.downscale}

    def network(self, part: str, cls: Any) -> Any:
        """The halves as a `cls` in float32 and eval mode.

        Raises:
            CheckpointError: A weight is missing, has another shape, or is not finite.
        """
        return assemble(cls, self.config(part), self._read(), _as_it_is, self.where, remedy=WHOLE)

    def folder(self, part: str) -> Path:
        """Refused: a VAE has no tokenizer.

        Raises:
            CheckpointError: Always.
        """
        raise CheckpointError(f"{self.where} holds no {part}; it holds a tiny VAE.")

    def _read(self) -> State:
        state: State = {}
        for half, stored in self.halves.items():
            tensors = read_tensors(stored.path, stored.names.values())
            state |= {f"{half}.{name}": tensors[there] for name, there in stored.names.items()}
        return state


def _halves(path: Path) -> dict[str, Half]:
    """The halves of a tiny VAE in a file; none if it is another model.

    Raises:
        CheckpointError: It is not whole, or holds something else beside them.
    """
    shapes, _ = read_header(path)
    if not any(map(EVIDENCE.fullmatch, shapes)):
        return {}
    where = repr(str(path))
    refuse_names(where, "holds tensors of no tiny VAE", [n for n in shapes if not NAME.fullmatch(n)], PLAIN)
    names: dict[str, dict[str, str]] = {}
    for name in shapes:
        half, number, rest = NAME.fullmatch(name).groups()  # type: ignore[union-attr]
        half, first = (half, half == "decoder") if half else ("encoder" if "0.weight" in shapes else "decoder", 0)
        here = f"{int(number) + first}.{rest}"
        if here in names.setdefault(half, {}):
            refuse_names(where, "names a tensor twice", (names[half][here], name), PLAIN)
        names[half][here] = name
    return {
        half: _half(half, path, {here: shapes[there] for here, there in held.items()}, held)
        for half, held in names.items()
    }


def _half(half: str, path: Path, shapes: Mapping[str, tuple[int, ...]], names: Mapping[str, str]) -> Half:
    where = f"The {half} in {str(path)!r}"
    layers = _layers(half, PartShapes(where=where, table=shapes))
    weighted = [layer for layer in layers if layer.read]
    joined = all(one.written == after.read for one, after in pairwise(weighted))
    first, last = weighted[0].read, weighted[-1].written
    colours, channels = (first, last) if half == "encoder" else (last, first)
    if not joined or colours != 3 or any(layer.kind != "conv" for layer in (weighted[0], weighted[-1])):
        raise CheckpointError(
            f"{where} is no tiny VAE: from {first} to {last} channels, and "
            f"{'joined' if joined else 'with layers that do not fit on each other'}; expected convolutions at both "
            "ends, and pictures of 3 channels.",
            remedy=WHOLE,
        )
    steps = sum(layer.stride == 2 or layer.kind == "double" for layer in layers)
    return Half(path=path, names=names, layers=layers, channels=channels, downscale=2**steps)


def _layers(half: str, shapes: PartShapes) -> tuple[Layer, ...]:
    """All layers of a half, in the author's numbering.

    A number without tensors is a layer without weights: the decoder's first one limits the latent, one after a
    convolution is a ReLU, and one after a block doubles the size. An encoder's convolution halves the size if it has
    no bias, or if a ReLU follows it.

    Raises:
        CheckpointError: The numbers have gaps that are no such layer.
    """
    held: dict[int, set[str]] = {}
    for name in shapes.table:
        position, _, rest = name.partition(".")
        held.setdefault(int(position), set()).add(rest)
    layers: list[Layer] = []
    for number in range(max(held) + 1):
        if number in held:
            layers.append(_weighted(half, shapes, number, held))
            continue
        before = layers[-1].kind if layers else None
        kind = {("decoder", None): "clamp", ("decoder", "block"): "double"}.get((half, before))
        kind = kind or ("relu" if before == "conv" else None)
        if kind is None:
            raise CheckpointError(f"{shapes.where} lacks the layer {number}.", remedy=WHOLE)
        layers.append(Layer(kind=kind))
    return tuple(layers)


def _weighted(half: str, shapes: PartShapes, number: int, held: Mapping[int, set[str]]) -> Layer:
    if "conv.0.weight" in held[number]:
        written, read, *_ = shapes.of(f"{number}.conv.0.weight", 4)
        return Layer(kind="block", read=read, written=written, pooled="pool.0.weight" in held[number])
    written, read, *_ = shapes.of(f"{number}.weight", 4)
    bias = "bias" in held[number]
    halves = half == "encoder" and (not bias or (number < max(held) and number + 1 not in held))
    return Layer(kind="conv", read=read, written=written, stride=2 if halves else 1, bias=bias)


def _as_it_is(stored: State, network: Any) -> ConvertedState:
    return ConvertedState(state=stored)
