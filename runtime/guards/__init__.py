"""What a stage wrote, looked at before it is handed on."""

from __future__ import annotations

from latentlink.runtime.guards.faults import finite_fault, generated_margin, picture_fault
from latentlink.runtime.guards.guard import Guard, Mended

__all__ = [
    # looking at what a stage wrote
    "Guard",
    "Mended",
    # what is looked for
    "generated_margin",
    "finite_fault",
    "picture_fault",
]  # fmt: skip
