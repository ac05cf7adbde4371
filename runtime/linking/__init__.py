"""Choosing, opening and linking the engines of a pipeline."""

from __future__ import annotations

from latentlink.runtime.linking.choice import choose
from latentlink.runtime.linking.link import Engine, Linked
from latentlink.runtime.linking.opening import Opening
from latentlink.runtime.linking.residency import Residency

__all__ = [
    # values
    "Engine",
    "Linked",
    # opening
    "choose",
    "Opening",
    "Residency",
]  # fmt: skip
