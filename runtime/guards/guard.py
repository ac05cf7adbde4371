"""Guards: what a stage wrote is looked at before it is handed on, so that no bad picture passes for a good one.

What is looked for is in `faults.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from latentlink.engine.bundle import LatentRange
from latentlink.errors import GuardError, UsageError
from latentlink.runtime.guards.faults import GENERATED, Fault, Margin, finite_fault, picture_fault, range_fault

GUARDS = ("on", "off")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """An array that was no picture or latent, and was made again by a wider engine.

    Args:
        component: That made it, twice: `vae_decoder` or `vae_encoder`.
        number: Which of the run's pictures, from 1.
        count: Pictures of the run.
        fault: What was wrong with it.
    """

    component: str
    number: int
    count: int
    fault: Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """The guards of one call.

    Args:
        on: Whether anything is looked at.
        ranges: What latents are like by noise level; empty where that was not measured.
        mended: What was made again by a wider engine; whoever does it adds to the list.
    """

    on: bool
    ranges: Sequence[LatentRange] = ()
    mended: list[Mended] = field(default_factory=list)

    @classmethod
    def of(cls, requested: object, ranges: Sequence[LatentRange]) -> Guard:
        """From the argument `guard`.

        Raises:
            UsageError: It is neither `on` nor `off`.
        """
        if not isinstance(requested, str) or requested not in GUARDS:
            raise UsageError(f"Unknown guard {requested!r}; expected one of: {', '.join(GUARDS)}.")
        return cls(on=requested == "on", ranges=ranges)

    def embedding(self, stage: str, array: NDArray[np.floating]) -> None:
        """Look at what a text encoder wrote, of any shape.

        Raises:
            GuardError: It is not finite.
        """
        if self.on:
            _refuse(stage, "its embedding", finite_fault(array))

    def latents(
        self,
        stage: str,
        array: NDArray[np.floating],
        *,
        level: tuple[float, float],
        margin: Margin = GENERATED,
        generated: bool = False,
    ) -> None:
        """Look at latents.

        Args:
            stage: The component that wrote them, or the argument that they were given as.
            array: `[B, C, h, w]`.
            level: (signal, noise) that they stand at: one of `SamplerTable.levels`.
            margin: How far they may lie outside of the ranges.
            generated: Whether the denoiser drew them; else they may be of a picture of one colour.

        Raises:
            GuardError: They are not finite, or outside of the model's range.
        """
        if not self.on:
            return
        for number, latent in enumerate(array):
            fault = finite_fault(latent) or range_fault(latent, self.ranges, level, margin=margin, generated=generated)
            _refuse(stage, _nth("latent", number, len(array)), fault)

    def pictures(self, stage: str, pictures: Sequence[NDArray[np.uint8]], *, clean: bool = True) -> None:
        """Look at decoded pictures.

        Args:
            stage: The component that wrote them.
            pictures: uint8 `[H, W, 3]` each.
            clean: Whether their latents were; pictures of half-way ones may be noise.

        Raises:
            GuardError: One is flat or noise.
        """
        if not self.on:
            return
        for number, picture in enumerate(pictures):
            _refuse(stage, _nth("picture", number, len(pictures)), picture_fault(picture, clean=clean))


def _nth(what: str, number: int, count: int) -> str:
    return f"{what} {number + 1} of {count}" if count > 1 else f"the {what}"


def _refuse(stage: str, what: str, fault: Fault | None) -> None:
    if fault is not None:
        raise GuardError(
            f"Guard after {stage}: {what} {fault.found}.",
            stage=stage,
            numbers=fault.numbers,
            cause=fault.cause,
            remedy=fault.remedy,
        )
