"""Guards: checks of what each stage wrote, before the next stage reads it."""

from __future__ import annotations

from latentlink.runtime.guards.faults import finite_fault, generated_margin, picture_fault
from latentlink.runtime.guards.guard import Guard, Mended
from latentlink.runtime.guards.unusual import Unusual

__all__ = [
    # checking what a stage wrote
    "Guard",
    "Mended",
    "Unusual",
    # the faults
    "generated_margin",
    "finite_fault",
    "picture_fault",
]  # fmt: skip
