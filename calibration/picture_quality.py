"""How a denoiser's pictures compare with a reference's at equal seeds: latents by step, and pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from latentlink.engine.quality import Quality, decibel
from latentlink.runtime import Pipeline, Progress
from latentlink.runtime.sessions import Session

WINDOW, DEVIATION = 11, 1.5
"""Of the Gaussian that SSIM weights its neighbourhoods with, in pixels."""

PictureBatch = NDArray[np.uint8]


def pictures_of(
    pipe: Pipeline,
    prompts: Sequence[str],
    *,
    seed: int,
    steps: int | None,
    session: Session | None = None,
    step_cache: int = 1,
    on_done: Callable[[int], object] = lambda done: None,
) -> tuple[NDArray[np.floating], PictureBatch]:
    """Generate one picture a prompt, one at a time.

    Args:
        pipe: The model.
        prompts: What to draw; picture n takes the noise of `seed + n`.
        steps: Of a run; None takes the model's own.
        session: A denoiser to take the place of the model's; None takes its own.
        step_cache: As for `Pipeline.generate`.
        on_done: Called with the number of pictures that are done, after each.

    Returns:
        Latents after every row, `[P, R, C, h, w]`, and pictures, uint8 `[P, H, W, 3]`.
    """
    latents, pictures = [], []
    view = pipe.observed(lambda own: own if session is None else session)
    for number, prompt in enumerate(prompts):
        rows: list[NDArray[np.floating]] = []

        def look(at: Progress, rows: list[NDArray[np.floating]] = rows) -> None:
            rows.append(at.latents()[0])

        made = view.generate(prompt, seed=seed + number, steps=steps, step_cache=step_cache, guard="off", on_step=look)
        latents.append(np.stack(rows))
        pictures.append(np.asarray(made.images[0]))
        on_done(number + 1)
    return np.stack(latents), np.stack(pictures)


def quality_of(
    reference: tuple[NDArray[np.floating], PictureBatch], made: tuple[NDArray[np.floating], PictureBatch]
) -> Quality:
    """Compare what `pictures_of` made twice.

    Returns:
        The mean over the pictures of the latents' cosine after every row; medians of PSNR and SSIM, and their least.
    """
    a, b = (latents.reshape(*latents.shape[:2], -1).astype(np.float64) for latents, _ in (reference, made))
    norms = np.linalg.norm(a, axis=2) * np.linalg.norm(b, axis=2)
    cosines = ((a * b).sum(axis=2) / np.maximum(norms, 1e-30)).mean(axis=0)
    psnrs, ssims = [], []
    for one, other in zip(reference[1], made[1], strict=True):
        error = float(np.mean((one.astype(np.float64) - other) ** 2))
        psnrs.append(min(decibel(255.0**2, error), 100.0))
        ssims.append(ssim(one, other))
    return Quality(
        pictures=len(psnrs),
        cosines=tuple(round(float(value), 6) for value in cosines),
        psnr=round(float(np.median(psnrs)), 2),
        least_psnr=round(min(psnrs), 2),
        ssim=round(float(np.median(ssims)), 4),
        least_ssim=round(min(ssims), 4),
    )


def ssim(one: PictureBatch, other: PictureBatch) -> float:
    """Structural similarity of two pictures, -1 to 1 (Wang, Bovik, Sheikh and Simoncelli, 2004, equation 13).

    As there: of the luma, in Gaussian windows of 11x11 pixels, where they fit; C1 and C2 of a peak of 255.

    Args:
        one: uint8 `[H, W, 3]`, at least 11x11.
        other: The same.
    """
    x, y = (picture.astype(np.float64) @ (0.299, 0.587, 0.114) for picture in (one, other))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mx, my = _blurred(x), _blurred(y)
    vx, vy, vxy = _blurred(x * x) - mx * mx, _blurred(y * y) - my * my, _blurred(x * y) - mx * my
    likeness = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return float(likeness.mean())


def _blurred(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaussian-weighted means of `[H, W]`, `[H - 10, W - 10]`."""
    offsets = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-(offsets**2) / (2 * DEVIATION**2))
    weights /= weights.sum()
    for axis in (0, 1):
        windows = np.lib.stride_tricks.sliding_window_view(values, WINDOW, axis=axis)
        values = windows @ weights
    return values
