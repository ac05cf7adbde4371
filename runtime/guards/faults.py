"""Faults of an array that should be a latent or a picture: the measured numbers, the limits, and the likely cause.

docs/guards.md has the measurements behind the limits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from latentlink.engine.bundle import LatentRange


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """How far latents may lie outside of the measured ranges, as factors.

    Args:
        low: Factor below the least root mean square.
        high: Factor above the largest root mean square.
        channel: Factor above the largest deviation of each channel. Its mean may leave the range by this factor less
            one, times the largest measured mean.
    """

    low: float
    high: float
    channel: float


GENERATED = Margin(low=2.5, high=2.5, channel=3.5)
"""Margin for latents from a denoiser.

Ranges are measured with the model's own steps and guidance. 10 steps with guidance 12 reach 2.0 times the measured root
mean square; latents that are 4 times too large begin at 2.4 times.
"""

HURRIED = Margin(low=8.0, high=8.0, channel=8.0)
"""Margin for fewer than `FEW` steps, which overshoot: 2 steps reach 6 times the measured root mean square. The last
3 of 15 steps, from a picture that does not match the prompt, reach 2.4 times, and 2.8 in a channel's deviation."""

ENCODED = Margin(low=1.75, high=1.5, channel=1.5)
"""Margin for latents from the VAE's encoder, which are not inflated by few steps or high guidance.

Pictures unlike any that the model draws (one colour, stripes, ramps, noise) have 0.6 to 1.04 times the measured root
mean square, and none of them leaves the range in a channel.
"""

FEW = 10
"""Number of steps below which `HURRIED` applies, unless the model's own number is as small."""

DEAD = 10.0
"""Factor by which a generated channel's deviation may fall below the least measured one; a dead channel has 0."""

FLAT = 0.5
"""Deviation of a picture, in 8-bit levels, below which it is flat: less than rounding. Pictures of one colour have 1.1
and more after a VAE's encoder and decoder."""

NOISE = 0.5
"""Roughness above which a picture of independent colours is noise: 1 is white noise, drawings have 0.01 to 0.2. Even a
picture of white noise has less than 0.2 after a VAE's encoder and decoder."""

INDEPENDENT = 0.5
"""Agreement of colours below which they are independent: noise has 0.03 and less. Small photographs of gravel, grass or
stars are as rough as noise, but light and shade change all their colours together: they have 0.9 and more."""

LEAST_NOISE = 2.0
"""Deviation, in 8-bit levels, from which roughness is checked. Below it, roughness comes from rounding."""

EDGE = 2
"""Border in pixels that the search for a channel of one value ignores: a broken weight of the last convolution may not
affect the border, where it meets padding."""

STRIP = 1 << 13
"""Pixels that are processed together."""

_CAUSE_NAN = "Likely cause: numbers overflowed in half precision, or weights of this engine are damaged."
_REMEDY_NAN = "Build this component in a wider precision, or get the bundle again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why an array is not a valid latent or picture.

    Args:
        found: What was found and what was expected, to follow the name of the array: `holds 3 values that ...`.
        cause: The likely cause, as a sentence.
        remedy: What to do, as a sentence.
        numbers: The measured numbers and their limits, by name.
    """

    found: str
    cause: str
    remedy: str
    numbers: Mapping[str, float] = field(default_factory=dict)


def generated_margin(steps: int, usual: int) -> Margin:
    """How far the latents of a run may lie outside of the ranges.

    Args:
        steps: Number of steps that run: fewer than requested if the run starts or ends half way.
        usual: The model's own number of steps, with which the ranges were measured.
    """
    return GENERATED if steps >= min(usual, FEW) else HURRIED


def finite_fault(array: NDArray[np.floating]) -> Fault | None:
    """The fault of an array that holds NaN or infinity; None if it holds neither."""
    bad = int(np.count_nonzero(~np.isfinite(array)))
    if not bad:
        return None
    return Fault(
        found=f"holds {bad} of {array.size} values that are not finite; expected numbers",
        cause=_CAUSE_NAN,
        remedy=_REMEDY_NAN,
        numbers={"not_finite": bad, "values": array.size},
    )


def range_fault(
    latent: NDArray[np.floating],
    ranges: Sequence[LatentRange],
    level: tuple[float, float],
    *,
    margin: Margin = GENERATED,
    generated: bool = False,
) -> Fault | None:
    """The fault of a latent that is unlike those of real generations; None if it is like them.

    Between two measured levels either range may hold. Without ranges there is no fault.

    Args:
        latent: `[C, h, w]`, finite.
        ranges: Measured ranges of its space and model, levels rising.
        level: Its noise level (signal, noise).
        margin: How far outside of the ranges it may lie.
        generated: Whether a channel without deviation is a fault.
    """
    near = _near(ranges, level)
    if not near:
        return None
    values = latent.astype(np.float64).reshape(len(latent), -1) / math.hypot(*level)
    rms = float(np.sqrt(np.mean(values**2)))
    low, high = min(one.rms[0] for one in near) / margin.low, max(one.rms[1] for one in near) * margin.high
    if not low <= rms <= high:
        return _outside("a root mean square", rms, low, high)
    means, deviations = values.mean(axis=1), values.std(axis=1)
    for channel in range(len(values)):
        low, high = min(one.mean[channel][0] for one in near), max(one.mean[channel][1] for one in near)
        slack = (margin.channel - 1) * max(abs(low), abs(high))
        if not low - slack <= means[channel] <= high + slack:
            return _outside(f"a mean in channel {channel}", float(means[channel]), low - slack, high + slack)
        low = min(one.std[channel][0] for one in near) / DEAD if generated else 0.0
        high = max(one.std[channel][1] for one in near) * margin.channel
        if not low <= deviations[channel] <= high:
            return _outside(f"a deviation in channel {channel}", float(deviations[channel]), low, high)
    return None


def picture_fault(picture: NDArray[np.uint8], *, clean: bool = True) -> Fault | None:
    """The fault of a picture that is flat or noise; None if it has neither fault.

    A decoder writes 8-bit numbers, so NaN inside it becomes 0: a picture, or a channel, of one value.

    Args:
        picture: uint8 `[H, W, 3]`.
        clean: Whether noise is a fault; a picture of half-way latents may hold some.
    """
    colour, covariance = _colours(picture)
    deviation = np.sqrt(np.maximum(np.diag(covariance), 0))
    if deviation.max() < FLAT:
        look = "black" if colour.max() < 1 else f"flat, all of colour ({', '.join(f'{c:.0f}' for c in colour)})"
        return Fault(
            found=f"is {look}: its deviation is {deviation.max():.2g} of 255 levels; expected at least {FLAT}",
            cause=_CAUSE_NAN,
            remedy=_REMEDY_NAN,
            numbers={"deviation": float(deviation.max()), "least": FLAT},
        )
    inner = picture[EDGE:-EDGE, EDGE:-EDGE] if min(picture.shape[:2]) > 2 * EDGE else picture
    for name, channel in zip(("red", "green", "blue"), np.moveaxis(inner, 2, 0), strict=True):
        if channel.min() == channel.max():
            return Fault(
                found=f"has {name} {channel.min()} everywhere; expected colours that differ",
                cause=_CAUSE_NAN,
                remedy=_REMEDY_NAN,
                numbers={name: float(channel.min())},
            )
    if not clean or deviation.max() < LEAST_NOISE:
        return None
    found = roughness(picture)
    if found <= NOISE or (together := agreement(picture)) >= INDEPENDENT:
        return None
    return Fault(
        found=f"is noise: its roughness is {found:.2f}, where white noise has 1; expected at most {NOISE}, or colours "
        "that change together",
        cause="Likely cause: the decoder's weights are damaged or not trained, or belong to another latent space.",
        remedy="Get the bundle again.",
        numbers={"roughness": found, "most": NOISE, "agreement": together, "least": INDEPENDENT},
    )


def roughness(picture: NDArray[np.uint8]) -> float:
    """Mean square difference of neighbouring pixels over twice the variance: 1 for white noise, near 0 if neighbours
    are alike, 2 for a chequered picture.

    Args:
        picture: uint8 `[H, W, 3]`, at least 2 pixels high and wide, not of one colour.
    """
    height, width, channels = picture.shape
    down = across = 0.0
    for strip in _strips(picture, overlap=1):
        down += float(np.sum(np.diff(strip, axis=0) ** 2))
        across += float(np.sum(np.diff(strip[:-1], axis=1) ** 2))
    across += float(np.sum(np.diff(picture[-1].astype(np.float64), axis=0) ** 2))
    steps = down / ((height - 1) * width * channels), across / (height * (width - 1) * channels)
    variance = float(np.trace(_colours(picture)[1])) / channels
    return float((steps[0] + steps[1]) / 2 / (2 * variance))


def agreement(picture: NDArray[np.uint8]) -> float:
    """How much colours depend on each other: the mean size of the correlations between channels.

    0 if they are independent, 1 if they change together, as in a grey or tinted picture. Channels whose deviation is
    below `LEAST_NOISE` are not counted; with fewer than two others it is 1.

    Args:
        picture: uint8 `[H, W, 3]`.
    """
    covariance = _colours(picture)[1]
    deviation = np.sqrt(np.maximum(np.diag(covariance), 0))
    counted = [channel for channel in range(len(deviation)) if deviation[channel] >= LEAST_NOISE]
    pairs = [abs(covariance[a, b]) / (deviation[a] * deviation[b]) for a, b in combinations(counted, 2)]
    return float(np.mean(pairs)) if pairs else 1.0


def _colours(picture: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean of each channel, float64 `[3]`, and their covariance, `[3, 3]`."""
    count = picture.shape[0] * picture.shape[1]
    channels = picture.shape[2]
    total, products = np.zeros(channels), np.zeros((channels, channels))
    for strip in _strips(picture):
        pixels = strip.reshape(-1, channels)
        total += pixels.sum(axis=0)
        products += pixels.T @ pixels
    mean = total / count
    return mean, products / count - np.outer(mean, mean)


def _strips(picture: NDArray[np.uint8], overlap: int = 0) -> Iterator[NDArray[np.float64]]:
    """The picture in float64, a few rows at a time, each with the first `overlap` rows of the next: as a whole it would
    take 24 bytes per pixel, next to a VAE with a memory budget."""
    rows = max(1, STRIP // picture.shape[1])
    for first in range(0, max(len(picture) - overlap, 1), rows):
        yield picture[first : first + rows + overlap].astype(np.float64)


def _near(ranges: Sequence[LatentRange], level: tuple[float, float]) -> Sequence[LatentRange]:
    """The ranges of the nearest levels: one on each side, or the first or last one."""
    signal, noise = level
    size = math.hypot(signal, noise)
    if not ranges or size == 0:
        return ()
    share = noise / size
    below = [one for one in ranges if one.level <= share][-1:]
    above = [one for one in ranges if one.level >= share][:1]
    return below + above


def _outside(what: str, value: float, low: float, high: float) -> Fault:
    return Fault(
        found=f"has {what} of {value:.3g}; expected {low:.3g} to {high:.3g}, from real generations of this model",
        cause="Likely cause: damaged weights, or a wrong scaling factor or noise level.",
        remedy="Compare the engines with their reference: latentlink verify BUNDLE.",
        numbers={"value": value, "low": low, "high": high},
    )
