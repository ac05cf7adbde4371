"""Quality: SSIM as the paper has it, and figures that tell like pictures from unlike ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from latentlink.calibration.picture_quality import quality_of, ssim


def picture(seed: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.uniform(0, 255, (40, 48, 3)), (3, 3, 0))
    made: NDArray[np.uint8] = ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)
    return made


def test_ssim_is_that_of_gaussian_windows_computed_by_scipy() -> None:
    noise = np.random.default_rng(9).normal(0, 12, (40, 48, 3))
    one, other = picture(0), np.clip(picture(0) + noise, 0, 255).astype(np.uint8)
    x, y = (image @ np.array([0.299, 0.587, 0.114]) for image in (one, other))

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        made: NDArray[np.float64] = gaussian_filter(values, 1.5, truncate=5 / 1.5)[5:-5, 5:-5]
        return made

    mx, my = mean(x), mean(y)
    vx, vy, both = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    c1, c2 = 6.5025, 58.5225  # the paper's, for 8 bits
    wanted = ((2 * mx * my + c1) * (2 * both + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))).mean()
    assert np.isclose(ssim(one, other), wanted, atol=1e-9)
    assert 0.2 < ssim(one, other) < 0.99
    assert ssim(one, one) == 1


def test_equal_pictures_pass_the_gate_and_those_of_other_seeds_do_not() -> None:
    latents = np.random.default_rng(0).standard_normal((3, 5, 4, 6, 6))
    pictures = np.stack([picture(seed) for seed in range(3)])
    same = quality_of((latents, pictures), (latents, pictures))
    assert (same.cosines, same.psnr, same.ssim) == ((1.0,) * 5, 100.0, 1.0)
    assert not same.shortfall_summary()
    unlike = quality_of((latents, pictures), (latents[::-1], np.roll(pictures, 1, axis=0)))
    for word in ("cosine", "PSNR", "SSIM"):
        assert word in unlike.shortfall_summary()


def test_the_figures_are_of_the_middle_picture_and_the_least_of_the_worst() -> None:
    latents = np.ones((3, 2, 4, 6, 6))
    pictures = np.full((3, 16, 16, 3), 100, np.uint8)
    made = pictures.copy()
    made[0] += 5
    made[1] += 10
    found = quality_of((latents, pictures), (latents, made))
    assert np.isclose(found.psnr, 20 * np.log10(255 / 5), atol=0.01)
    assert np.isclose(found.least_psnr, 20 * np.log10(255 / 10), atol=0.01)
