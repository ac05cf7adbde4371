"""A sampler as data: one row of numbers for each call of the denoiser."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

COLUMNS = ("t", "c_in", "p", "q", "a", "b0", "b1", "b2", "b3", "b4", "c")
"""Columns of a table's rows, in the order in which an engine reads them."""

CLEAN = (1.0, 0.0)
"""The noise level (signal, noise) of a picture without noise."""

_DS = 5  # D and four older ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One call of the denoiser and the update after it.

        D  = p*x + q*model(c_in*x, t)
        x' = a*x + b0*D + b1*D1 + b2*D2 + b3*D3 + b4*D4 + c*noise

    D1 is the D of the row before, D2 of the one before that, and so on. `b` holds b0 and as many of the others as
    are not 0. `step` counts the requested steps from 0; a two-call solver has two rows with the same number. `draws`
    says that fresh noise is drawn from the generator, which some samplers do even if c is 0. `level` and `recovers`
    are those of `SamplerTable`; `sigma` is an entry of its `sigmas`, set if the model does not see `level`.
    """

    t: float
    c_in: float = 1.0
    p: float
    q: float
    a: float
    b: Sequence[float]
    c: float = 0.0
    step: int
    level: tuple[float, float]
    draws: bool = False
    recovers: bool = False
    sigma: float | None = None

    def numbers(self) -> list[float]:
        """The row in the order of `COLUMNS`."""
        padding = [0.0] * (_DS - len(self.b))
        return [self.t, self.c_in, self.p, self.q, self.a, *self.b, *padding, self.c]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SamplerTable:
    """Everything that a sampler does, known before it starts. The arrays are read-only.

    Attributes:
        rows: float64 `[R, 11]`, in the order of `COLUMNS`; R is the number of calls of the denoiser.
        draws: bool `[R]`, whether fresh noise is drawn; true wherever c is not 0.
        step: int64 `[R]`, the user's step that a row belongs to, from 0 to `steps - 1`.
        levels: float64 `[R + 1, 2]`, (signal, noise): before each row, and after the last one, x is
            `signal*z + noise*eps` for a picture z. A run that starts from a picture noises it to the first level; a
            run with a mask keeps the rest of the picture at each level. After the last row it is the clean picture, or
            the level at which another run continues.
        sigmas: float64 `[R]`, ratio of noise to signal in what the model sees: the sigma of Karras et al. 2022. It is
            infinite where there is no signal.
        recovers: bool `[R]`, whether `a*x` is the x of an earlier row, recovered from this row's. A mask must not
            change that x: it changes what the model sees, not what `a` multiplies.
        start_scale: The first x of a run that starts from noise is `start_scale` times standard normal noise.
    """

    rows: NDArray[np.float64]
    draws: NDArray[np.bool_]
    step: NDArray[np.int64]
    levels: NDArray[np.float64]
    sigmas: NDArray[np.float64]
    recovers: NDArray[np.bool_]
    start_scale: float

    def __post_init__(self) -> None:
        R = len(self.rows)
        arrays = {name: getattr(self, name) for name in ("rows", "draws", "step", "levels", "sigmas", "recovers")}
        expected = dict.fromkeys(arrays, (R,)) | {"rows": (R, len(COLUMNS)), "levels": (R + 1, 2)}
        if R == 0 or {name: array.shape for name, array in arrays.items()} != expected:
            raise ValueError(
                f"Received {', '.join(f'{name} {array.shape}' for name, array in arrays.items())}; expected "
                f"[R, {len(COLUMNS)}], [R], [R], [R + 1, 2], [R] and [R], with R at least 1."
            )
        if not (np.isfinite(self.rows).all() and np.isfinite(self.levels).all()):
            raise ValueError("Received coefficients that are not finite; expected numbers in every row.")
        if (self.rows[:, COLUMNS.index("c")][~self.draws] != 0).any():
            raise ValueError("Received a row with c and no draw; expected draws to be true wherever c is not 0.")
        for array in arrays.values():
            array.setflags(write=False)

    @property
    def steps(self) -> int:
        """Number of steps, for progress; `len(rows)` is the number of calls of the denoiser."""
        return int(self.step[-1]) + 1

    @classmethod
    def of(cls, rows: Iterable[Row], *, start_scale: float, level_after: tuple[float, float] = CLEAN) -> SamplerTable:
        """The table of these rows, whose steps are counted from the first row's; `level_after` the last one.

        Raises:
            ValueError: A coefficient is not finite.
        """
        listed = list(rows)
        with np.errstate(divide="ignore"):
            of_level = [np.divide(noise, signal) for signal, noise in (row.level for row in listed)]
        sigmas = [level if row.sigma is None else row.sigma for row, level in zip(listed, of_level, strict=True)]
        return cls(
            rows=np.array([row.numbers() for row in listed], dtype=np.float64).reshape(-1, len(COLUMNS)),
            draws=np.array([row.draws for row in listed], dtype=np.bool_),
            step=np.array([row.step - listed[0].step for row in listed], dtype=np.int64),
            levels=np.array([*(row.level for row in listed), level_after], dtype=np.float64),
            sigmas=np.array(sigmas, dtype=np.float64),
            recovers=np.array([row.recovers for row in listed], dtype=np.bool_),
            start_scale=float(start_scale),
        )


def apply_row(
    row: Sequence[float] | NDArray[np.float64],
    x: NDArray[Any],
    model: Callable[[NDArray[Any], float], NDArray[Any]],
    history: Sequence[NDArray[Any]],
    noise: NDArray[Any] | None = None,
    *,
    blend: Callable[[NDArray[Any]], NDArray[Any]] | None = None,
    recovers: bool = False,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """What an engine does with a row, in numpy: the definition, for tests and readers.

    Args:
        row: 11 numbers, in the order of `COLUMNS`.
        x: The latent, any shape and float dtype.
        model: `(scaled latent, t) -> prediction` of x's shape.
        history: D1, D2, ... newest first; those that are missing have coefficient 0.
        noise: Standard normal, x's shape; None where the row draws nothing.
        blend: Puts the picture at this row's level outside of the mask; None for a run without a mask.
        recovers: The table's `recovers` of this row; without `blend` it changes nothing.

    Returns:
        x' and D.
    """
    t, c_in, p, q, a, b0, *older, c = (float(value) for value in row)
    seen = x if blend is None else blend(x)
    denoised = p * seen + q * model(c_in * seen, t)
    after = a * (x if recovers else seen) + b0 * denoised
    for b, earlier in zip(older, history, strict=False):
        after = after + b * earlier
    if noise is not None:
        after = after + c * noise
    return after, denoised


Level: TypeAlias = tuple[float, float]
"""(signal, noise): x is `signal*z + noise*eps` for a picture z, as in `SamplerTable.levels`."""
