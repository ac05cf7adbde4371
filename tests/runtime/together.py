"""Threads that share a pipeline, through every entry that runs an engine. `python -m tests.runtime.together BUNDLE`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import latentlink
from latentlink.errors import UsageError
from latentlink.runtime import Pipeline, Progress

Made = tuple[NDArray[Any], ...]
Widths = tuple[int, int]
"""Widths in pixels that the engines were built for, which may be equal; the first is the height."""

THREADS, COUNT = 8, 48
ENTRIES = 6


def make(pipe: Pipeline, number: int, widths: Widths, *, steps: int = 2) -> Made:
    """What one call returns: another entry, prompt, seed and size for every number."""
    entry, width, side = number % ENTRIES, widths[number // 2 % 2], widths[0]
    options: dict[str, Any] = {"seed": number, "steps": steps, "width": width, "height": side, "guard": "off"}
    picture = _picture(number, width, side)
    latents = latentlink.Latents(array=_noise(number, pipe, width, side), space=pipe.space)
    if entry == 0:
        done = pipe.generate(("a red circle", "a green square")[number % 4 // 2], **options)
        return done.latents.array, *map(np.asarray, done.images)
    if entry == 1:
        done = pipe.generate("a circle", init_image=picture, strength=0.9, **options)
        return done.latents.array, *map(np.asarray, done.images)
    if entry == 2:
        return (pipe.encode(picture, seed=number, guard="off").array,)
    if entry == 3:
        return tuple(map(np.asarray, pipe.decode(latents, guard="off")))
    if entry == 4:
        return tuple(map(np.asarray, pipe.preview(latents.array)))
    moved = latentlink.transfer(latents, source=pipe, destination=pipe, width=widths[1], height=side, guard="off")
    return (moved.latents.array,)


def check_threads(pipe: Pipeline, widths: Widths) -> None:
    """Several threads, which use the pipeline first, return what one thread returns."""
    together = Barrier(THREADS)

    def run(number: int) -> Made:
        if number < THREADS:
            together.wait()
        return make(pipe, number, widths)

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(run, range(COUNT)))
    wrong = [number for number in range(COUNT) if not equal(found[number], make(pipe, number, widths))]
    assert not wrong, f"{len(wrong)} of {COUNT} are not what the call returns alone: {wrong}"


def check_timings(pipe: Pipeline, widths: Widths) -> list[float]:
    """A call's seconds are its own; returns those inside the denoiser's engine."""

    def run(number: int) -> dict[str, float]:
        began = perf_counter()
        done = pipe.generate(
            "a red circle", seed=number, steps=3, width=widths[0], height=widths[0], guard="off"
        ).timings
        assert done["total"] + done["waiting"] <= perf_counter() - began + 1e-6
        assert 0 < done["denoiser_engine"] <= done["denoiser"] <= done["total"]
        return dict(done)

    began = perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(run, range(2 * THREADS)))
    spent = [timings["denoiser_engine"] for timings in found]
    if not pipe.linked.denoiser.session.concurrent:  # type: ignore[attr-defined]
        assert sum(spent) <= perf_counter() - began
        assert sum(timings["waiting"] for timings in found) > 0
    return spent


def check_closing(pipe: Pipeline, widths: Widths) -> None:
    """Calls in flight when the pipeline is closed return what they return alone, or are refused."""
    alone = [make(pipe, number, widths) for number in range(COUNT)]
    running = Event()

    def begun(_: Progress) -> None:
        running.set()

    def run(number: int) -> Made | UsageError:
        try:
            return make(pipe, number, widths)
        except UsageError as error:
            return error

    def draw() -> UsageError | None:
        try:
            pipe.generate("a circle", seed=1, steps=500, width=widths[0], height=widths[0], guard="off", on_step=begun)
        except UsageError as error:
            return error
        return None

    with ThreadPoolExecutor(THREADS + 1) as pool:
        long = pool.submit(draw)
        long.add_done_callback(lambda _: running.set())
        others = [pool.submit(run, number) for number in range(COUNT)]
        running.wait()
        pipe.close()
        outcomes: Sequence[Made | UsageError] = [other.result() for other in others]
        refused = long.result()
    assert "is closed" in str(refused), refused
    for number, outcome in enumerate(outcomes):
        closed = isinstance(outcome, UsageError) and "is closed" in str(outcome)
        assert closed or equal(outcome, alone[number]), f"{number}: {outcome}"


def equal(found: object, expected: Made) -> bool:
    """Whether a call returned exactly this."""
    assert isinstance(found, tuple)
    return all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def _picture(number: int, width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8))


def _noise(number: int, pipe: Pipeline, width: int, height: int) -> NDArray[np.float32]:
    shape = (1, pipe.space.channels, height // pipe.space.downscale, width // pipe.space.downscale)
    return np.random.default_rng(number).standard_normal(shape, np.float32)


def main(bundle: str) -> None:
    """All checks on a bundle of free sizes."""
    with latentlink.load(bundle, threads=1) as pipe:
        check_threads(pipe, (32, 64))
        check_timings(pipe, (32, 64))
        check_closing(pipe, (32, 64))


if __name__ == "__main__":
    main(sys.argv[1])
