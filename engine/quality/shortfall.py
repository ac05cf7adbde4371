"""A quality figure that is not good enough: what was measured and what is needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

TEXTS: Mapping[str, str] = {
    "psnr": "PSNR {found:.1f} dB, expected at least {needed:g}",
    "worst": "worst element {found:.2g} of the largest, expected at most {needed:.2g}",
    "latent-cosine": "latent cosine {found:.4f}, expected at least {needed:g}",
    "ssim": "SSIM {found:.3f}, expected at least {needed:g}",
    "prompts": "{found:g} of {count} pictures show their prompts, {reference} of the reference's, "
    "expected at most {tolerance:.0%} fewer",
}
"""Sentence by code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """One figure that misses its threshold.

    Args:
        code: A key of `TEXTS`.
        found: The figure.
        needed: Its threshold.
        count: Code `prompts` only: pictures that were judged.
        reference: Code `prompts` only: how many of the reference's pictures show their prompts.
        tolerance: Code `prompts` only: the share of the judged pictures by which `found` may be below `reference`.
    """

    code: str
    found: float
    needed: float
    count: int = 0
    reference: int = 0
    tolerance: float = 0.0

    def summary(self) -> str:
        """`PSNR 12.0 dB, expected at least 55`."""
        return TEXTS[self.code].format(
            found=self.found,
            needed=self.needed,
            count=self.count,
            reference=self.reference,
            tolerance=self.tolerance,
        )


def summary(shortfalls: Iterable[Shortfall]) -> str:
    """All of them in one line; empty if there is none."""
    return "; ".join(one.summary() for one in shortfalls)
