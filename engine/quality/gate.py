"""The gate: what a quantised engine's pictures have to be, beside the reference's at equal seeds, to enter a bundle.

The figures lie in the engine's `parity` of the manifest, under `gate_...`, and go with it from export to bundle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

PREFIX = "gate_"
FIGURES = tuple(f"{PREFIX}{name}" for name in ("pictures", "cosines", "psnr", "least_psnr", "ssim", "least_ssim"))
JUDGED = ("judged", "right", "reference_right")
STEPS = 50
"""Steps whose cosine is kept, evenly spread, where there are more."""


# For the middle of the pictures, not for the worst: guidance amplifies the last bit of some of them in any precision.
# At 25 dB a picture differs by 14 of 255 levels, root mean square, which moves edges and shades, and not what is
# drawn. The demo model in int8 and float8 is at 31 to 36 dB, an SSIM of 0.97 to 0.99
# and a cosine of 0.985 to 0.997, and draws what is asked as often as in float32.
LEAST_COSINE, LEAST_PSNR, LEAST_SSIM = 0.97, 25.0, 0.9


MOST_LOST = 0.02
"""Share of the judged pictures that may show their prompts less often than the reference's do: 2 points."""

FREE_PSNR = 35.0
"""dB that the worst picture needs for what makes it to be free: what pictures of a half-precision engine need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How a denoiser's latents and pictures compare with the reference's at equal prompts and seeds.

    Args:
        pictures: How many were compared.
        cosines: Of the latents after every step, mean over the pictures.
        psnr: Median over the pictures, dB, 100 where equal.
        least_psnr: Of the worst picture.
        ssim: Median of structural similarity.
        least_ssim: Of the worst picture.
        judged: Pictures that were looked at for whether they show their prompts; 0 where nobody can say.
        right: Those that do.
        reference_right: Those of the reference that do.
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

    def missed(self) -> str:
        """What is not reached, as a sentence says it; empty where all is."""
        parts = []
        if not all(cosine >= LEAST_COSINE for cosine in self.cosines):
            parts.append(f"latent cosine {min(self.cosines):.4f}, expected at least {LEAST_COSINE:g}")
        if not self.psnr >= LEAST_PSNR:
            parts.append(f"PSNR {self.psnr:.1f} dB, expected at least {LEAST_PSNR:g}")
        if not self.ssim >= LEAST_SSIM:
            parts.append(f"SSIM {self.ssim:.3f}, expected at least {LEAST_SSIM:g}")
        if self.right < self.reference_right - MOST_LOST * self.judged:
            parts.append(
                f"{self.right} of {self.judged} pictures show their prompts, {self.reference_right} of the "
                f"reference's, expected at most {MOST_LOST:.0%} fewer"
            )
        return "; ".join(parts)

    @property
    def free(self) -> bool:
        """Whether nobody would see the difference."""
        return not self.missed() and self.least_psnr >= FREE_PSNR

    def said(self) -> str:
        """The figures, for people."""
        shown = f"; {self.right} of {self.judged} show their prompts (reference {self.reference_right})"
        return (
            f"latent cosine {min(self.cosines):.4f}, PSNR {self.psnr:.1f} dB (worst {self.least_psnr:.1f}), "
            f"SSIM {self.ssim:.3f} (worst {self.least_ssim:.3f}) over {self.pictures} pictures"
            f"{shown if self.judged else ''}"
        )

    def to_parity(self) -> dict[str, str | float]:
        """The figures as keys of an engine's `parity`."""
        picked = [self.cosines[index * len(self.cosines) // STEPS] for index in range(STEPS)]
        kept = self.cosines if len(self.cosines) <= STEPS else (*picked[:-1], self.cosines[-1])
        return {
            f"{PREFIX}pictures": self.pictures,
            f"{PREFIX}cosines": " ".join(f"{cosine:.5f}" for cosine in kept),
            f"{PREFIX}psnr": self.psnr,
            f"{PREFIX}least_psnr": self.least_psnr,
            f"{PREFIX}ssim": self.ssim,
            f"{PREFIX}least_ssim": self.least_ssim,
            **({f"{PREFIX}{name}": getattr(self, name) for name in JUDGED} if self.judged else {}),
        }

    @classmethod
    def of_parity(cls, parity: Mapping[str, str | float] | None) -> Self | None:
        """Read them back; None where they are not there, or are no figures."""
        try:
            found = {key.removeprefix(PREFIX): value for key, value in (parity or {}).items() if key.startswith(PREFIX)}
            return cls(
                pictures=int(found["pictures"]),
                cosines=tuple(float(text) for text in str(found["cosines"]).split()) or (float("nan"),),
                psnr=float(found["psnr"]),
                least_psnr=float(found["least_psnr"]),
                ssim=float(found["ssim"]),
                least_ssim=float(found["least_ssim"]),
                **{name: int(found.get(name, 0)) for name in JUDGED},
            )
        except (KeyError, ValueError):
            return None
