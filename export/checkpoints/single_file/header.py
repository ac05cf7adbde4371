"""A safetensors file: names and shapes first, tensors on demand. Nothing is ever unpickled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.networks.safetensors_file import read_header, read_tensors
from latentlink.export.checkpoints.single_file.moving_average import average_as_plain

# Prefixes of the parts of a whole model, and tensors whose names mark properties of it: a network that is in a file
# without a prefix owns none of these.
PART_PREFIXES = (
    "model.diffusion_model.",
    "diffusion_model.",
    "model_ema.",
    "first_stage_model.",
    "vae.",
    "cond_stage_model.",
    "conditioner.",
    "text_encoders.",
)
MARKERS = ("v_pred", "ztsnr", "edm_mean", "edm_std", "edm_vpred.sigma_min", "edm_vpred.sigma_max")

FLOAT8 = (torch.float8_e4m3fn, torch.float8_e5m2)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartShapes:
    """Tensor shapes of one part, by name without the part's prefix.

    Args:
        where: The part and its file, for errors.
        table: Shape by name.
    """

    where: str
    table: Mapping[str, tuple[int, ...]]

    def __contains__(self, name: str) -> bool:
        return name in self.table

    def of(self, name: str, dims: int) -> tuple[int, ...]:
        """The shape of a tensor with `dims` dimensions.

        Raises:
            CheckpointError: The tensor is missing, has another number of dimensions, or a dimension of 0.
        """
        shape = self.table.get(name)
        if shape is None:
            raise CheckpointError(f"{self.where} lacks {name!r}.", remedy="Get the whole file again.")
        if len(shape) != dims or 0 in shape:
            raise CheckpointError(
                f"{self.where}: {name!r} has the shape {list(shape)}; expected {dims} dimensions, none of them 0.",
                remedy="Get the file again, or check that it is of the model that it is named after.",
            )
        return shape

    def count(self, prefix: str) -> int:
        """Number of numbered children: names that begin with `prefix0.`, `prefix1.` and so on.

        Raises:
            CheckpointError: A number is missing.
        """
        number = re.compile(re.escape(prefix) + r"(\d{1,4})\.")
        found = {int(match.group(1)) for match in map(number.match, self.table) if match}
        gap = next((index for index in range(len(found)) if index not in found), None)
        if gap is not None:
            raise CheckpointError(f"{self.where} lacks {prefix}{gap}.", remedy="Get the whole file again.")
        return len(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorFile:
    """A safetensors file whose header agrees with its size.

    Args:
        path: The file.
        shapes: Shape of every tensor by name.
        metadata: Metadata entries of the header, such as those of the modelspec.
        stored: Name in the file, of the tensors that are read under another one.
    """

    path: Path
    shapes: Mapping[str, tuple[int, ...]]
    metadata: Mapping[str, str]
    stored: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, path: Path) -> TensorFile:
        """Read the header of a file.

        Raises:
            CheckpointError: The file is not safetensors: truncated, pickled, or with a wrong header.
        """
        shapes, metadata = read_header(path)
        stored = average_as_plain(shapes)
        plain = {name: shapes[origin] for name, origin in stored.items()}
        renamed = {*stored.values()}
        others = {name: shape for name, shape in shapes.items() if name not in renamed}
        return cls(path=path, shapes=others | plain, metadata=metadata, stored=stored)

    def under(self, prefix: str, part: str) -> PartShapes:
        """Shapes of the tensors whose names begin with `prefix`; for `""`, those of a network without a prefix."""
        return PartShapes(
            where=f"The {part} in {str(self.path)!r}",
            table={name.removeprefix(prefix): self.shapes[name] for name in self._names(prefix)},
        )

    def read(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose shapes `under` returns, in the file's dtypes, or in float16 where that is float8.

        Raises:
            CheckpointError: The file has changed since it was opened, or torch cannot hold its tensors.
        """
        names = {self.stored.get(name, name): name for name in self._names(prefix)}
        tensors = read_tensors(self.path, names)
        return {names[stored].removeprefix(prefix): _widened(tensor) for stored, tensor in tensors.items()}

    def _names(self, prefix: str) -> list[str]:
        if prefix:
            return [name for name in self.shapes if name.startswith(prefix)]
        return [name for name in self.shapes if not name.startswith(PART_PREFIXES) and name not in MARKERS]


def _widened(tensor: Tensor) -> Tensor:
    """Published files hold rounded weights in float8, without scales: float16 has all their values."""
    return tensor.half() if tensor.dtype in FLOAT8 else tensor
