"""Standard normal noise from a seed: torch's CPU generator, and a counter-based one, both in numpy.

A source is used by one generation at a time; its stream continues from call to call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentlink.errors import UsageError

Shape = tuple[int, ...]
Float32: TypeAlias = NDArray[np.float32]
Words = NDArray[np.uint32]

_BLOCK = 16
_LOW_32 = 0xFFFF_FFFF


class Noise(Protocol):
    """A stream of standard normal numbers."""

    def normal(self, shape: Shape) -> Float32:
        """The next `prod(shape)` numbers, float32, in C order."""
        ...


class TorchNoise:
    """The numbers of `torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed))` in float32.

    mt19937 (Matsumoto and Nishimura 1998) feeds the Box-Muller transform in blocks of 16, or number by number in
    double precision for fewer than 16. Agrees with torch within 3e-7: its vectorised log and cosine differ in the
    last bit.

    Args:
        seed: From -2**63 to 2**64 - 1; the lowest 32 bits count, as in torch.

    Raises:
        UsageError: The seed is not such a number.
    """

    def __init__(self, seed: int) -> None:
        self._words = np.random.RandomState(_check_seed(seed) & _LOW_32)
        self._spare: float | None = None

    def normal(self, shape: Shape) -> Float32:
        """The next numbers of the stream, float32 `shape`."""
        size = prod(shape)
        numbers = self._blocks(size) if size >= _BLOCK else self._one_by_one(size)
        return numbers.reshape(shape)

    def _blocks(self, size: int) -> Float32:
        uniform = self._uniform(size)
        whole = size - size % _BLOCK
        numbers = np.empty(size, np.float32)
        numbers[:whole] = _box_muller_block(uniform[:whole])
        if whole < size:
            # torch draws the last 16 again, including those that were already drawn.
            numbers[-_BLOCK:] = _box_muller_block(self._uniform(_BLOCK))
        return numbers

    def _uniform(self, size: int) -> Float32:
        """Multiples of 2**-24 in [0, 1)."""
        return (self._raw(size) & 0xFF_FFFF).astype(np.float32) * np.float32(2.0**-24)

    def _raw(self, size: int) -> Words:
        return self._words.randint(0, 2**32, size, np.uint32)

    def _one_by_one(self, size: int) -> Float32:
        numbers = np.empty(size, np.float32)
        for i in range(size):
            if self._spare is not None:
                numbers[i], self._spare = self._spare, None
                continue
            high_1, low_1, high_2, low_2 = (int(word) for word in self._raw(4))
            u1, u2 = (((high << 32 | low) & (2**53 - 1)) * 2.0**-53 for high, low in ((high_1, low_1), (high_2, low_2)))
            radius, angle = np.sqrt(-2 * np.log1p(-u2)), 2 * np.pi * u1
            numbers[i], self._spare = radius * np.cos(angle), float(radius * np.sin(angle))
        return numbers


def _box_muller_block(uniform: Float32) -> Float32:
    """Box and Muller 1958: in each block of 16, number j and number j+8 make a pair.

    Logarithms, cosines and sines are rounded from float64, so that every machine and both runtimes have the same bits;
    all else is float32 arithmetic, as in torch.
    """
    blocks = uniform.reshape(-1, 2, _BLOCK // 2)
    radius = np.sqrt(np.float32(-2) * np.log((1 - blocks[:, 0]).astype(np.float64)).astype(np.float32))
    angle = (np.float32(2 * np.pi) * blocks[:, 1]).astype(np.float64)
    pair = [radius * turned.astype(np.float32) for turned in (np.cos(angle), np.sin(angle))]
    return np.asarray(np.stack(pair, axis=1).ravel(), np.float32)


class PhiloxNoise:
    """Philox4x32-10 (Salmon et al. 2011): number i of call n is a function of (seed, n, i) and nothing else.

    The layout is that of torch's CUDA generator for tensors that fit in one launch: the counter is (n, 0, i, 0), the
    key is the seed, and the first two words of a block make one number.

    Args:
        seed: From -2**63 to 2**64 - 1.

    Raises:
        UsageError: The seed is not such a number.
    """

    def __init__(self, seed: int) -> None:
        self._seed = _check_seed(seed) & (2**64 - 1)
        self._calls = 0

    def normal(self, shape: Shape) -> Float32:
        """The next numbers of the stream, float32 `shape`."""
        index = np.arange(prod(shape), dtype=np.uint32)
        zero = np.zeros_like(index)
        counter = np.stack([zero + np.uint32(self._calls), zero, index, zero])
        self._calls += 1
        words = philox4x32(counter, (self._seed & _LOW_32, self._seed >> 32))
        # Halves of 2**-32 keep the logarithm finite.
        u = words[0].astype(np.float64) * 2.0**-32 + 2.0**-33
        angle = (words[1].astype(np.float64) * 2.0**-32 + 2.0**-33) * (2 * np.pi)
        return np.asarray(np.sqrt(-2 * np.log(u)) * np.sin(angle), np.float32).reshape(shape)


def philox4x32(counter: Words, key: tuple[int, int], rounds: int = 10) -> Words:
    """Salmon et al. 2011 (Parallel Random Numbers: As Easy as 1, 2, 3).

    Args:
        counter: uint32 `[4, N]`.
        key: Two numbers of 32 bits.
        rounds: 10 in every published use.

    Returns:
        uint32 `[4, N]`.
    """
    c0, c1, c2, c3 = (word.astype(np.uint64) for word in counter)
    k0, k1 = key
    low, shift = np.uint64(_LOW_32), np.uint64(32)
    for _ in range(rounds):
        product_0, product_1 = np.uint64(0xD251_1F53) * c0, np.uint64(0xCD9E_8D57) * c2
        c0 = (product_1 >> shift) ^ c1 ^ np.uint64(k0)
        c2 = (product_0 >> shift) ^ c3 ^ np.uint64(k1)
        c1, c3 = product_1 & low, product_0 & low
        k0, k1 = (k0 + 0x9E37_79B9) & _LOW_32, (k1 + 0xBB67_AE85) & _LOW_32
    return np.stack([c0, c1, c2, c3]).astype(np.uint32)


NOISES: Mapping[str, Callable[[int], Noise]] = {"torch": TorchNoise, "philox": PhiloxNoise}
"""Sources by name."""


def noise_source(kind: str, seed: int) -> Callable[[Shape], Float32]:
    """A function that draws noise of a shape, float32; each call continues the stream.

    Args:
        kind: A key of `NOISES`.
        seed: From -2**63 to 2**64 - 1. diffusers draws a whole batch from one generator, or each picture from its own.

    Raises:
        UsageError: The kind is unknown, or the seed is not such a number.
    """
    if kind not in NOISES:
        raise UsageError(f"Received noise {kind!r}; expected one of {', '.join(NOISES)}. Choose one of these.")
    return NOISES[kind](seed).normal


def dealt(draw: Callable[[], Float32], count: int) -> list[Callable[[], Float32]]:
    """Functions that each draw their own row of what `draw` draws for all, `[count, ...]`: once for every turn, which a
    function may take before the others.
    """
    turns: dict[int, tuple[Float32, list[int]]] = {}

    def one(row: int) -> Callable[[], Float32]:
        taken = 0

        def take() -> Float32:
            nonlocal taken
            if taken not in turns:
                turns[taken] = draw(), [count]
            drawn, left = turns[taken]
            left[0] -= 1
            if not left[0]:
                del turns[taken]
            taken += 1
            mine: Float32 = drawn[row]
            return mine

        return take

    return [one(row) for row in range(count)]


def _check_seed(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int) or not -(2**63) <= seed < 2**64:
        raise UsageError(
            f"Received seed {seed!r}; expected a whole number from -2**63 to 2**64 - 1. Choose another seed."
        )
    return seed
