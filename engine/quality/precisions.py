"""Names of the precisions that calibration makes: as users write them, and as manifests do."""

from __future__ import annotations

from collections.abc import Mapping

QUANTISED: Mapping[str, str] = {"int8": "int8", "fp8": "float8"}
"""What users call a precision that `latentlink calibrate` makes, and its name in a manifest."""


MIXED: Mapping[str, tuple[str, str]] = {"int8+bf16": ("int8", "bfloat16")}
"""What users call a quantised graph that computes all else in half precision, not float32: what its products are in,
and what all else, and components that were not calibrated, are in."""


def mixed(quantised: str, rest: str) -> str:
    """The name of a mixed precision in a manifest."""
    return f"{quantised}+{rest}"


def is_quantised(precision: str) -> bool:
    """Whether a manifest's precision is one that `latentlink calibrate` makes, whatever all else is computed in."""
    return precision.partition("+")[0] in QUANTISED.values()


RANGES = {"float16": 0, "bfloat16": 1, "float32": 1}
"""Order of what engines compute in by the largest number it holds; others are taken for the least."""
