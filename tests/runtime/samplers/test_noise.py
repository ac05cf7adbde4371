"""Noise from a seed: torch's stream number by number, and Philox's published answers."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentlink.runtime.samplers.noise import NOISES, PhiloxNoise, TorchNoise, dealt, noise_source, philox4x32

# numpy's float32 log and cosine against torch's: a bit of the result, which is at most 5.8.
TOLERANCE = 3e-7

SEEDS = [0, 1, 42, 2**31, 2**32 - 1, 2**32 + 5, 2**64 - 1, -1, -7, -(2**63)]
SHAPES = [(1, 4, 8, 8), (3,), (5,), (17,), (1,), (16,), (2, 4, 33, 7), (15,), (4,), (31,), (1000, 41), (2,), (0,), ()]


@pytest.mark.parametrize("seed", SEEDS)
def test_torch_noise_equals_torch_call_after_call(seed: int) -> None:
    torch = pytest.importorskip("torch")
    generator, ours = torch.Generator("cpu").manual_seed(seed), TorchNoise(seed)
    for shape in SHAPES:
        drawn = ours.normal(shape)
        assert drawn.dtype == np.float32
        assert drawn.shape == shape
        np.testing.assert_allclose(
            drawn, torch.randn(shape, generator=generator).numpy(), rtol=TOLERANCE, atol=TOLERANCE
        )


@settings(max_examples=50, deadline=None)
@given(st.integers(-(2**63), 2**64 - 1), st.lists(st.integers(0, 200), min_size=1, max_size=6))
def test_torch_noise_equals_torch_for_any_seed_and_sizes(seed: int, sizes: list[int]) -> None:
    torch = pytest.importorskip("torch")
    generator, ours = torch.Generator("cpu").manual_seed(seed), TorchNoise(seed)
    for size in sizes:
        expected = torch.randn(size, generator=generator).numpy()
        np.testing.assert_allclose(ours.normal((size,)), expected, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        # kat_vectors of Random123 (Salmon et al. 2011), philox4x32-10.
        (
            (0, 0, 0, 0),
            (0, 0),
            (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8),
        ),
        (
            (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
            (0xFFFFFFFF, 0xFFFFFFFF),
            (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
        ),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_known_answers(
    counter: tuple[int, ...], key: tuple[int, int], answer: tuple[int, ...]
) -> None:
    words = philox4x32(np.array(counter, np.uint32)[:, None], key)
    assert tuple(words[:, 0].tolist()) == answer


def test_philox_noise_depends_on_seed_call_and_index_only() -> None:
    first, again = PhiloxNoise(7), PhiloxNoise(7)
    long, short = first.normal((3, 50)).ravel(), again.normal((40,))
    np.testing.assert_array_equal(long[:40], short)
    np.testing.assert_array_equal(first.normal((10,)), again.normal((10,)))
    assert not np.array_equal(long[:10], first.normal((10,)))
    assert not np.array_equal(long[:10], PhiloxNoise(7 + 2**32).normal((10,)))
    np.testing.assert_array_equal(PhiloxNoise(-1).normal((4,)), PhiloxNoise(2**64 - 1).normal((4,)))


@pytest.mark.parametrize("kind", NOISES)
def test_noise_is_standard_normal(kind: str) -> None:
    drawn = NOISES[kind](11).normal((4, 100_000)).astype(np.float64)
    # Five standard errors of 400,000 draws.
    assert abs(drawn.mean()) < 5 / np.sqrt(drawn.size)
    assert abs(drawn.std() - 1) < 5 / np.sqrt(2 * drawn.size)
    assert abs((drawn**3).mean()) < 5 * np.sqrt(15 / drawn.size)
    assert abs(np.corrcoef(drawn[0, :-1], drawn[0, 1:])[0, 1]) < 5 / np.sqrt(100_000)


@pytest.mark.parametrize("kind", NOISES)
def test_pictures_of_one_generator_each_get_their_row_of_what_it_draws(kind: str) -> None:
    shape = (3, 4, 5, 5)
    generator = NOISES[kind](9)
    drawn = [generator.normal(shape) for _ in range(3)]
    first, second, third = dealt(partial(noise_source(kind, 9), shape), 3)
    # a picture may be a turn ahead of the others
    got = [first(), first(), second(), third(), second(), first(), third(), second(), third()]
    turns = [(0, 0), (1, 0), (0, 1), (0, 2), (1, 1), (2, 0), (1, 2), (2, 1), (2, 2)]
    for array, (turn, row) in zip(got, turns, strict=True):
        np.testing.assert_array_equal(array, drawn[turn][row])


@pytest.mark.parametrize("bad", [True, 1.5, "7", None, 2**64, -(2**63) - 1])
@pytest.mark.parametrize("kind", NOISES)
def test_a_seed_that_torch_would_refuse_is_refused(kind: str, bad: object) -> None:
    with pytest.raises(ValueError, match="expected a whole number from"):
        NOISES[kind](bad)  # type: ignore[arg-type]


def test_an_unknown_kind_of_noise_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of torch, philox"):
        noise_source("cuda", 1)
