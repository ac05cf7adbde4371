"""Names of the precisions that calibration makes, as users write them and as manifests do."""

from __future__ import annotations

from collections.abc import Mapping

QUANTISED_PRECISIONS: Mapping[str, str] = {"int8": "int8", "fp8": "float8"}
"""By the name that users write, the manifest's name of a precision that `latentlink calibrate` makes."""

MIXED_PRECISIONS: Mapping[str, tuple[str, str]] = {"int8+bf16": ("int8", "bfloat16")}
"""Quantised graphs whose other operators compute in half precision instead of float32. By the name that users write:
the precision of the products, and that of all other operators and of components that were not calibrated."""


def mixed_precision(quantised: str, rest: str) -> str:
    """The manifest's name of a mixed precision."""
    return f"{quantised}+{rest}"


def is_quantised(precision: str) -> bool:
    """Whether a manifest's precision is quantised, whatever the other operators compute in."""
    return precision.partition("+")[0] in QUANTISED_PRECISIONS.values()


RANGES = {"float16": 0, "bfloat16": 1, "float32": 1}
"""Rank of a precision by the largest number that it holds; a precision that is not listed ranks lowest."""
