"""A plain ONNX graph on disk: one network of a pipeline, without sampler, guidance, affine or 8-bit rounding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import onnx_ir as ir

from latentlink.engine.bundle.onnx_locations import external_locations
from latentlink.errors import BundleError, CheckpointError

# The versions that torch's exporter writes natively. Operators of older graphs would have to be rewritten before
# anything can be traced around them; Optimum has written 18 by default since 2025.
OPSETS = range(18, 24)

DTYPES: Mapping[ir.DataType, str] = {
    ir.DataType.FLOAT: "float32",
    ir.DataType.FLOAT16: "float16",
    ir.DataType.INT32: "int32",
    ir.DataType.INT64: "int64",
}
"""Tensor types that ONNX Runtime's CPU kernels support, with their names in the manifest."""

EXPORT_AGAIN = "Export it again: optimum-cli export onnx --model CHECKPOINT --opset 18 DIRECTORY."


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainTensor:
    """One input or output of a plain graph.

    Args:
        dtype: One of the values of `DTYPES`.
        shape: Size of each dimension; None for a free one, whatever its name in the file.
    """

    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainGraph:
    """Signature of an ONNX file; its weights are not read.

    Args:
        path: The file.
        opset: Version of the standard operator set, one of `OPSETS`.
        dtype: Dtype of its weights: `float32` or `float16`.
        inputs: Inputs by name, in order.
        outputs: Outputs by name, in order.
    """

    path: Path
    opset: int
    dtype: str
    inputs: Mapping[str, PlainTensor]
    outputs: Mapping[str, PlainTensor]

    @property
    def title(self) -> str:
        """`unet/model.onnx`, as messages name it."""
        return f"{self.path.parent.name}/{self.path.name}"

    @classmethod
    def read(cls, path: Path) -> PlainGraph:
        """Read the signature of an ONNX file.

        Raises:
            CheckpointError: The file is missing, is not ONNX, keeps weights outside its folder, or uses operators or
                dtypes that cannot be imported.
        """
        title = f"{path.parent.name}/{path.name}"
        if not path.is_file():
            raise CheckpointError(f"The ONNX directory lacks {title}.", remedy="Get the whole directory again.")
        _check_weights_are_beside(path, title)
        model = load_onnx(path)
        opset = model.opset_imports.get("", 0)
        if opset not in OPSETS:
            raise CheckpointError(
                f"{title} uses operators of opset {opset}; expected {OPSETS.start} to {OPSETS.stop - 1}.",
                remedy=EXPORT_AGAIN,
            )
        dtype = _bulk(model.graph.initializers)
        if dtype not in (ir.DataType.FLOAT, ir.DataType.FLOAT16):
            raise CheckpointError(
                f"{title} keeps its weights in {dtype}; expected FLOAT or FLOAT16.",
                remedy="Export it again with --dtype fp32 or fp16.",
            )
        return cls(
            path=path,
            opset=opset,
            dtype=DTYPES[dtype],
            inputs={
                _name_of(value, title): _tensor(value, title)
                for value in model.graph.inputs
                if value.name not in model.graph.initializers
            },
            outputs={_name_of(value, title): _tensor(value, title) for value in model.graph.outputs},
        )


def load_onnx(path: Path) -> ir.Model:
    """The graph of an ONNX file; weights stay on disk until they are used.

    Raises:
        CheckpointError: The file is not ONNX.
    """
    try:
        return ir.load(path)
    except Exception as error:  # protobuf, onnx-ir and the file system raise errors without a common base
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{str(path)!r} is not an ONNX file: {reason.rstrip('.')}.", remedy="Get the file again."
        ) from None


def _check_weights_are_beside(path: Path, title: str) -> None:
    """Refuse a file whose weights are in another folder: any file it names would be copied into the export."""
    try:
        locations = external_locations(path)
    except BundleError as error:
        raise CheckpointError(error.message, remedy="Get the file again.") from None
    for raw in sorted(locations):
        location = raw.decode("utf-8", "replace")
        if PurePosixPath(location).name != location:
            raise CheckpointError(
                f"{title} keeps weights in {location!r}; expected a file beside it.", remedy="Get the directory again."
            )
        if not (path.parent / location).is_file():
            raise CheckpointError(
                f"{title} keeps weights in {location!r}, which is not there.", remedy="Get the whole directory again."
            )


def _bulk(weights: Mapping[str, ir.Value]) -> ir.DataType:
    """The float type of most weights: a float16 export keeps a few float32 constants."""
    sizes: Counter[ir.DataType] = Counter()
    for value in weights.values():
        if value.const_value is not None and value.const_value.dtype.is_floating_point():
            sizes[value.const_value.dtype] += value.const_value.size
    return sizes.most_common(1)[0][0] if sizes else ir.DataType.FLOAT


def _name_of(value: ir.Value, title: str) -> str:
    if value.name is None:
        raise CheckpointError(f"{title} has a tensor without a name.", remedy="Get the file again.")
    return value.name


def _tensor(value: ir.Value, title: str) -> PlainTensor:
    if value.dtype is None or value.dtype not in DTYPES or value.shape is None:
        raise CheckpointError(
            f"{title} has the tensor {value.name!r} of type {value.dtype} and shape {value.shape}; "
            f"expected a known shape and one of {', '.join(DTYPES.values())}.",
            remedy="Export it again with --dtype fp32 or fp16.",
        )
    return PlainTensor(
        dtype=DTYPES[value.dtype], shape=tuple(dim if isinstance(dim, int) else None for dim in value.shape)
    )
