"""Picture quality: a denoiser's latents and pictures compared with a reference's at equal seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from latentlink.engine.quality import Quality, decibel
from latentlink.runtime import Pipeline, Progress
from latentlink.runtime.sessions import Session

WINDOW, DEVIATION = 11, 1.5
"""Size and standard deviation of SSIM's Gaussian window, in pixels."""

PictureBatch = NDArray[np.uint8]
"""Pictures, uint8 `[P, H, W, 3]`, or one, `[H, W, 3]`."""


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
    """Generate one picture of every prompt, one at a time.

    Args:
        pipe: The model.
        prompts: The prompts; picture n has seed `seed + n`.
        seed: Seed of the first picture.
        steps: Denoising steps; None for the model's default.
        session: Denoiser to use instead of the model's; None for its own.
        step_cache: As for `Pipeline.generate`.
        on_done: Called after each picture with the number of pictures done.

    Returns:
        Latents after every row, `[P, R, C, h, w]`, and pictures, uint8 `[P, H, W, 3]`.
    """
    latents, pictures = [], []
    view = pipe.observe(lambda own: own if session is None else session)
    for number, prompt in enumerate(prompts):
        rows: list[NDArray[np.floating]] = []

        def look(at: Progress, rows: list[NDArray[np.floating]] = rows) -> None:
            rows.append(at.latents()[0])

        result = view.generate(
            prompt, seed=seed + number, steps=steps, step_cache=step_cache, guard="off", on_step=look
        )
        latents.append(np.stack(rows))
        pictures.append(np.asarray(result.images[0]))
        on_done(number + 1)
    return np.stack(latents), np.stack(pictures)


def quality_of(
    reference: tuple[NDArray[np.floating], PictureBatch], other: tuple[NDArray[np.floating], PictureBatch]
) -> Quality:
    """Compare two results of `pictures_of`.

    Returns:
        After every row the latents' cosine similarity, averaged over the pictures; median and worst PSNR and SSIM.
    """
    a, b = (latents.reshape(*latents.shape[:2], -1).astype(np.float64) for latents, _ in (reference, other))
    norms = np.linalg.norm(a, axis=2) * np.linalg.norm(b, axis=2)
    cosines = ((a * b).sum(axis=2) / np.maximum(norms, 1e-30)).mean(axis=0)
    psnrs, ssims = [], []
    for a_picture, b_picture in zip(reference[1], other[1], strict=True):
        error = float(np.mean((a_picture.astype(np.float64) - b_picture) ** 2))
        psnrs.append(min(decibel(255.0**2, error), 100.0))
        ssims.append(ssim(a_picture, b_picture))
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

    As in the paper: of the luma, in Gaussian windows of 11x11 pixels that lie inside the picture; C1 and C2 for a peak
    of 255.

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
    """Gaussian-weighted means, `[H - 10, W - 10]` of `[H, W]`."""
    offsets = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-(offsets**2) / (2 * DEVIATION**2))
    weights /= weights.sum()
    for axis in (0, 1):
        windows = np.lib.stride_tricks.sliding_window_view(values, WINDOW, axis=axis)
        values = windows @ weights
    return values
