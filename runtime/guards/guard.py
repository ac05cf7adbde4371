"""Guards: what a stage wrote is checked before the next stage reads it, so that no faulty picture is returned as good.

`faults.py` has the checks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from latentlink.checks import choice
from latentlink.engine.bundle import LatentRange
from latentlink.errors import GuardError
from latentlink.options import OnOff
from latentlink.runtime.guards.faults import GENERATED, Fault, Margin, finite_fault, picture_fault, range_fault
from latentlink.runtime.guards.unusual import GIVEN, Unusual, concerning

GUARDS: tuple[str, ...] = get_args(OnOff)

OFF = 'guard="off" skips the guards.'

_OTHER_SETTINGS = (
    "Use the model's own settings. If these fail too, compare its engines with their reference: latentlink verify "
    "BUNDLE."
)
_OTHER_LATENTS = "Give latents as a model of this space wrote them: scaled, and at the noise level of the run."


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """A faulty picture or latent that was made again by a wider engine.

    Args:
        component: The component that made it both times: `vae_decoder` or `vae_encoder`.
        number: Number of the picture in the run, from 1.
        count: Number of pictures in the run.
        fault: The fault of the first result.
    """

    component: str
    number: int
    count: int
    fault: Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """The guards of one call.

    Args:
        on: Whether anything is checked.
        ranges: Measured ranges of latents by noise level; empty if they were not measured.
        mended: What was made again by a wider engine; the VAE adds to the list.
        unusual: Settings of the request that may explain a fault; they are named before the engines are blamed.
    """

    on: bool
    ranges: Sequence[LatentRange] = ()
    mended: list[Mended] = field(default_factory=list)
    unusual: Sequence[Unusual] = ()

    @classmethod
    def of(cls, requested: object, ranges: Sequence[LatentRange]) -> Guard:
        """Make the guards from the argument `guard`.

        Raises:
            UsageError: It is neither `on` nor `off`.
        """
        return cls(on=choice("guard", requested, GUARDS) == "on", ranges=ranges)

    def embedding(self, stage: str, array: NDArray[np.floating]) -> None:
        """Check the output of a text encoder, of any shape.

        Raises:
            GuardError: It is not finite.
        """
        if self.on:
            self._refuse(stage, "its embedding", finite_fault(array))

    def latents(
        self,
        stage: str,
        array: NDArray[np.floating],
        *,
        level: tuple[float, float],
        margin: Margin | Sequence[Margin] = GENERATED,
        generated: bool = False,
    ) -> None:
        """Check latents.

        Args:
            stage: The component that wrote them, or the argument that held them.
            array: `[B, C, h, w]`.
            level: Their noise level (signal, noise): one of `SamplerTable.levels`.
            margin: How far they may lie outside of the ranges; one, or one per latent.
            generated: Whether the denoiser made them; otherwise they may be of a picture of one colour.

        Raises:
            GuardError: They are not finite, or outside of the model's range.
        """
        if not self.on:
            return
        margins = margin if isinstance(margin, Sequence) else [margin] * len(array)
        for number, (latent, own) in enumerate(zip(array, margins, strict=True)):
            fault = finite_fault(latent) or range_fault(latent, self.ranges, level, margin=own, generated=generated)
            self._refuse(stage, _nth("latent", number, len(array)), fault)

    def pictures(self, stage: str, pictures: Sequence[NDArray[np.uint8]], *, clean: bool = True) -> None:
        """Check decoded pictures.

        Args:
            stage: The component that wrote them.
            pictures: uint8 `[H, W, 3]` each.
            clean: Whether their latents were clean; pictures of half-way ones may be noise.

        Raises:
            GuardError: One is flat or noise.
        """
        if not self.on:
            return
        for number, picture in enumerate(pictures):
            self._refuse(stage, _nth("picture", number, len(pictures)), picture_fault(picture, clean=clean))

    def _refuse(self, stage: str, what: str, fault: Fault | None) -> None:
        if fault is None:
            return
        suspects = {
            one.setting: one for one in concerning(stage, self.unusual, finite="not_finite" not in fault.numbers)
        }
        cause, remedy = fault.cause, fault.remedy
        unusual: dict[str, object] = {name: one.value for name, one in suspects.items()}
        if stage in GIVEN:
            unusual = {stage: fault.found}
            cause, remedy = f"The {stage} are an argument of this call.", _OTHER_LATENTS
        elif suspects:
            cause = f"Likely cause: unusual settings of this request: {', '.join(map(str, suspects.values()))}."
            remedy = _OTHER_SETTINGS
        raise GuardError(
            f"Guard after {stage}: {what} {fault.found}.",
            stage=stage,
            numbers=fault.numbers,
            cause=cause,
            remedy=f"{remedy} {OFF}",
            unusual=unusual,
        )


def _nth(what: str, number: int, count: int) -> str:
    return f"{what} {number + 1} of {count}" if count > 1 else f"the {what}"
