"""The gate: what a quantised engine's pictures have to reach, compared with the reference's at equal seeds.

An engine below it does not enter a bundle. The figures are in the engine's `parity` of the manifest, under `gate_...`,
and go with it from the export to the bundle.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from latentlink.engine.quality.shortfall import Shortfall, summary

PREFIX = "gate_"
FIGURES = tuple(f"{PREFIX}{name}" for name in ("pictures", "cosines", "psnr", "least_psnr", "ssim", "least_ssim"))
JUDGEMENT = ("judged", "right", "reference_right")
STEPS = 50
"""Most steps whose cosine is stored; of more steps, this many are taken, evenly spread."""

# These are for the median picture, not for the worst one: guidance amplifies the last bit of some pictures in any
# precision. At 25 dB a picture differs by 14 of 255 levels, root mean square: edges and shades move, the content does
# not. The demo model in int8 and float8 reaches 31 to 36 dB, an SSIM of 0.97 to 0.99 and a cosine of 0.985 to 0.997,
# and its pictures show their prompts as often as in float32.
MIN_COSINE, MIN_PSNR, MIN_SSIM = 0.97, 25.0, 0.9

MAX_LOSS = 0.02
"""Share of the judged pictures by which fewer may show their prompts than of the reference's pictures: 2 points."""

LOSSLESS_PSNR = 35.0
"""dB of the worst picture from which the difference counts as invisible: what half-precision engines need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How a denoiser's latents and pictures compare with the reference's at equal prompts and seeds.

    Args:
        pictures: Number of pictures compared.
        cosines: Cosine similarity of the latents after every step, mean over the pictures.
        psnr: Median PSNR of the pictures in dB; 100 if they are equal.
        least_psnr: PSNR of the worst picture.
        ssim: Median structural similarity of the pictures.
        least_ssim: That of the worst picture.
        judged: Pictures that a judge checked against their prompts; 0 without a judge.
        right: Of these, how many show their prompts.
        reference_right: How many of the reference's pictures do.
    """

    pictures: int
    cosines: tuple[float, ...]
    psnr: float
    least_psnr: float
    ssim: float
    least_ssim: float
    judged: int = 0
    right: int = 0
    reference_right: int = 0

    def shortfalls(self) -> tuple[Shortfall, ...]:
        """The figures that are below the gate."""
        found = []
        if not all(cosine >= MIN_COSINE for cosine in self.cosines):
            found.append(Shortfall(code="latent-cosine", found=min(self.cosines), needed=MIN_COSINE))
        if not self.psnr >= MIN_PSNR:
            found.append(Shortfall(code="psnr", found=self.psnr, needed=MIN_PSNR))
        if not self.ssim >= MIN_SSIM:
            found.append(Shortfall(code="ssim", found=self.ssim, needed=MIN_SSIM))
        needed = self.reference_right - MAX_LOSS * self.judged
        if self.right < needed:
            found.append(
                Shortfall(
                    code="prompts",
                    found=self.right,
                    needed=needed,
                    count=self.judged,
                    reference=self.reference_right,
                    tolerance=MAX_LOSS,
                )
            )
        return tuple(found)

    def shortfall_summary(self) -> str:
        """The figures that are below the gate, for an error message; empty if none is."""
        return summary(self.shortfalls())

    @property
    def passes(self) -> bool:
        """Whether it reaches the gate."""
        return not self.shortfalls()

    @property
    def visually_lossless(self) -> bool:
        """Whether the difference is invisible in every picture."""
        return self.passes and self.least_psnr >= LOSSLESS_PSNR

    def summary(self) -> str:
        """All figures in one line, for people."""
        prompts = f"; {self.right} of {self.judged} show their prompts (reference {self.reference_right})"
        return (
            f"latent cosine {min(self.cosines):.4f}, PSNR {self.psnr:.1f} dB (worst {self.least_psnr:.1f}), "
            f"SSIM {self.ssim:.3f} (worst {self.least_ssim:.3f}) over {self.pictures} pictures"
            f"{prompts if self.judged else ''}"
        )

    def to_parity(self) -> dict[str, str | float]:
        """The figures as keys of an engine's `parity`."""
        spread = [self.cosines[index * len(self.cosines) // STEPS] for index in range(STEPS)]
        cosines = self.cosines if len(self.cosines) <= STEPS else (*spread[:-1], self.cosines[-1])
        return {
            f"{PREFIX}pictures": self.pictures,
            f"{PREFIX}cosines": " ".join(f"{cosine:.5f}" for cosine in cosines),
            f"{PREFIX}psnr": self.psnr,
            f"{PREFIX}least_psnr": self.least_psnr,
            f"{PREFIX}ssim": self.ssim,
            f"{PREFIX}least_ssim": self.least_ssim,
            **({f"{PREFIX}{name}": getattr(self, name) for name in JUDGEMENT} if self.judged else {}),
        }

    @classmethod
    def of_parity(cls, parity: Mapping[str, str | float] | None) -> Self | None:
        """Read the figures back; None if they are missing or no finite numbers."""
        try:
            found = {key.removeprefix(PREFIX): value for key, value in (parity or {}).items() if key.startswith(PREFIX)}
            return cls(
                pictures=int(_finite(found["pictures"])),
                cosines=tuple(_finite(float(text)) for text in str(found["cosines"]).split()) or (float("nan"),),
                psnr=_finite(found["psnr"]),
                least_psnr=_finite(found["least_psnr"]),
                ssim=_finite(found["ssim"]),
                least_ssim=_finite(found["least_ssim"]),
                **{name: int(_finite(found.get(name, 0))) for name in JUDGEMENT},
            )
        except (KeyError, ValueError):
            return None


def _finite(value: str | float) -> float:
    """A number that is written as one: `"nan"` would pass every gate.

    Raises:
        ValueError: It is text, NaN or infinite.
    """
    if isinstance(value, str) or not math.isfinite(value):
        raise ValueError("no finite number")
    return float(value)
