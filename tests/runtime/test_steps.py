"""A generation in the caller's hands: row by row, changed on its way, awaited, and ended by another thread."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import latentlink
from latentlink.errors import Cancelled, UsageError
from latentlink.runtime import Pipeline, Progress
from latentlink.runtime.denoising import Change
from latentlink.runtime.steps import Steps

PROMPT = "a red circle on a blue background"
SETTINGS: dict[str, Any] = {"seed": 3, "steps": 6, "sampler": "euler"}


def test_a_loop_over_the_rows_makes_the_picture_of_generate(demo: Pipeline) -> None:
    steps = demo.steps(PROMPT, **SETTINGS)
    assert [(at.row, at.rows) for at in steps] == [(row, 6) for row in range(1, 7)]
    wanted = demo.generate(PROMPT, **SETTINGS)
    assert np.array_equal(np.asarray(steps.result.images[0]), np.asarray(wanted.images[0]))
    assert [*steps] == []
    assert steps.finish() is steps.result


def test_a_loop_that_was_left_can_be_finished_or_closed(demo: Pipeline) -> None:
    steps = demo.steps(PROMPT, **SETTINGS)
    with pytest.raises(UsageError, match="has not begun; expected one that has ended"):
        _ = steps.result
    next(steps)
    with pytest.raises(UsageError, match="is at row 1 of 6"):
        _ = steps.result
    assert np.array_equal(steps.finish().latents.array, demo.generate(PROMPT, **SETTINGS).latents.array)
    with demo.steps(PROMPT, **SETTINGS) as left:
        next(left)
    assert [*left] == []
    with pytest.raises(UsageError, match=r"was closed and has no result\. Begin another one"):
        _ = left.result
    with pytest.raises(UsageError, match="was closed and has no result"):
        left.finish()
    assert repr(left) == "<Steps: was closed>"


def test_a_run_that_failed_or_was_cancelled_says_so_later_too(demo: Pipeline) -> None:
    steps = demo.steps(PROMPT, **SETTINGS)
    next(steps)
    assert repr(steps) == "<Steps: is at row 1 of 6>"
    steps.cancel()
    with pytest.raises(Cancelled, match=r"Cancelled by Steps\.cancel"):
        steps.finish()
    with pytest.raises(UsageError, match="was cancelled and has no result"):
        _ = steps.result
    failed = demo.steps(PROMPT, **SETTINGS)
    next(failed)
    failed.change(guidance=-5)
    with pytest.raises(UsageError, match="guidance is -5"):
        next(failed)
    with pytest.raises(UsageError, match="failed and has no result"):
        _ = failed.result


def test_a_change_that_comes_too_late_is_refused(demo: Pipeline) -> None:
    steps, zeros = demo.steps(PROMPT, **SETTINGS, guard="off"), np.zeros((1, 4, 8, 8), np.float32)
    for at in steps:
        if at.row == at.rows:
            steps.change(latents=zeros)  # what is decoded
    assert not steps.result.latents.array.any()
    with pytest.raises(UsageError, match="The generation has ended; expected a change before that"):
        steps.change(guidance=1.0)


def test_what_is_wrong_with_the_arguments_is_said_before_the_first_row(demo: Pipeline) -> None:
    with pytest.raises(UsageError, match="steps is 0"):
        demo.steps(PROMPT, steps=0)
    with pytest.raises(TypeError, match="'stepz'"):
        demo.steps(PROMPT, stepz=3)  # type: ignore[call-arg]


def test_each_row_may_run_in_another_thread(demo: Pipeline) -> None:
    steps = demo.steps(PROMPT, **SETTINGS)
    for _ in range(3):
        with ThreadPoolExecutor(1) as pool:
            pool.submit(next, steps).result()
    result = steps.finish()
    assert np.array_equal(result.latents.array, demo.generate(PROMPT, **SETTINGS).latents.array)
    assert 0 < result.timings["denoiser_engine"] <= result.timings["denoiser"]


def test_two_threads_that_ask_at_once_are_told(demo: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = demo.steps(PROMPT, **SETTINGS)
    inside, go_on = threading.Event(), threading.Event()
    session = demo.linked.denoiser.session
    run = session.run

    def slow(*given: Any) -> Any:
        inside.set()
        go_on.wait(10)
        return run(*given)

    monkeypatch.setattr(session, "run", slow)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(next, steps)
        inside.wait(10)
        with pytest.raises(UsageError, match="Two threads asked"):
            next(steps)
        go_on.set()
        assert first.result().row == 1


# changes on the way


def ways(pipe: Pipeline, change: Callable[[Progress], Change | None]) -> list[np.ndarray[Any, Any]]:
    """The latents of a run that is changed by a callback, and of one that is changed in a loop."""
    called = pipe.generate(PROMPT, **SETTINGS, on_step=change).latents.array
    steps = pipe.steps(PROMPT, **SETTINGS)
    for at in steps:
        if (wanted := change(at)) is not None:
            steps.change(guidance=wanted.guidance, latents=wanted.latents)
    return [called, steps.result.latents.array]


def test_guidance_that_is_turned_off_on_the_way_costs_half_from_there_on(
    demo: Pipeline, denoiser_runs: list[tuple[int, int]]
) -> None:
    called, looped = ways(demo, lambda at: Change(guidance=1.0) if at.row == 2 else None)
    assert [rows for _, rows in denoiser_runs] == [2, 2, 1, 1, 1, 1] * 2
    assert np.array_equal(called, looped)
    plain, off = (demo.generate(PROMPT, **SETTINGS, guidance=scale).latents.array for scale in (None, 1.0))
    assert min(np.abs(called - plain).max(), np.abs(called - off).max()) > 0.01


def test_a_change_back_is_no_change(demo: Pipeline) -> None:
    own = demo.sampling.guidance
    called, _ = ways(demo, lambda at: Change(guidance={2: 1.0, 3: own}.get(at.row)))
    assert not np.array_equal(called, demo.generate(PROMPT, **SETTINGS).latents.array)
    same, _ = ways(demo, lambda at: Change(guidance=own))
    assert np.array_equal(same, demo.generate(PROMPT, **SETTINGS).latents.array)


def test_guidance_is_changed_picture_by_picture(demo: Pipeline) -> None:
    def to(scale: float | list[float]) -> Callable[[Progress], Change | None]:
        return lambda at: Change(guidance=scale) if at.row == 2 else None

    made = demo.generate(PROMPT, **SETTINGS, num_images=2, on_step=to([1.0, 3.0]))
    for number, scale in enumerate((1.0, 3.0)):
        alone = demo.generate(PROMPT, **{**SETTINGS, "seed": 3 + number}, on_step=to(scale))
        assert np.array_equal(made.latents.array[number], alone.latents.array[0])


def test_guidance_cannot_be_turned_on_in_a_run_that_began_without(demo: Pipeline) -> None:
    with pytest.raises(UsageError, match="changed to 7 in a run that began without guidance"):
        demo.generate(PROMPT, **SETTINGS, guidance=1.0, on_step=lambda at: Change(guidance=7.0))


def test_latents_are_replaced_on_the_way(demo: Pipeline) -> None:
    kept: list[Any] = []

    def look(at: Progress) -> None:
        if at.row == 3:
            kept.append(at.latents())

    wanted = demo.generate(PROMPT, **SETTINGS, on_step=look)
    # a run of another prompt until there, with the latents of the first from there on
    settings = {**SETTINGS, "seed": 9}
    other = demo.generate(PROMPT, **settings, on_step=lambda at: Change(latents=kept[0]) if at.row == 3 else None)
    assert np.array_equal(other.latents.array, wanted.latents.array)  # euler has no memory of earlier rows


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            Change(latents=np.zeros((1, 4, 4, 4), np.float32)),
            "expected an array of floating-point numbers [1, 4, 8, 8]",
        ),
        (Change(latents=np.full((1, 4, 8, 8), np.nan, np.float32)), "not finite"),
        (Change(latents=np.full((1, 4, 8, 8), 1e300)), "not finite in float32"),
        (Change(latents=[[0.0]]), "The changed latents are [[0.0]]"),  # type: ignore[arg-type]
        (Change(guidance=-1.0), "guidance is -1.0"),
        (Change(guidance=[1.0, 2.0]), "2 values of guidance for 1 pictures"),
        (Change(guidance="7"), "guidance is '7'"),  # type: ignore[arg-type]
    ],
)
def test_a_change_that_cannot_be_made_is_refused(demo: Pipeline, change: Change, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        demo.generate(PROMPT, **SETTINGS, on_step=lambda at: change)
    assert says in str(refused.value)


def test_a_step_cache_follows_a_change_of_guidance(demo: Pipeline, denoiser_runs: list[tuple[int, int]]) -> None:
    def change(at: Progress) -> Change | None:
        return Change(guidance=1.0) if at.row == 3 else None

    made = demo.generate(PROMPT, **SETTINGS, step_cache=2, on_step=change).latents.array
    assert [rows for _, rows in denoiser_runs] == [
        2,
        2,
        1,
        1,
    ]  # whole at rows 1 and 3; 4, where guidance ended; and 5. The others are shallow
    assert np.isfinite(made).all()


# async


def test_rows_are_awaited_while_the_event_loop_goes_on(demo: Pipeline) -> None:
    async def follow() -> tuple[list[int], int, latentlink.Result]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        beside = asyncio.create_task(tick())
        steps = demo.steps(PROMPT, **SETTINGS)
        rows = [at.row async for at in steps]
        beside.cancel()
        return rows, ticks, steps.result

    rows, ticks, result = asyncio.run(follow())
    assert rows == [1, 2, 3, 4, 5, 6]
    assert ticks > 6
    assert np.array_equal(result.latents.array, demo.generate(PROMPT, **SETTINGS).latents.array)


def test_a_generation_is_awaited_as_a_whole(demo: Pipeline) -> None:
    async def both() -> list[latentlink.Result]:
        async def one(seed: int) -> latentlink.Result:
            return await demo.steps(PROMPT, **{**SETTINGS, "seed": seed})

        return [*await asyncio.gather(one(3), one(4))]

    for seed, result in zip((3, 4), asyncio.run(both()), strict=True):
        wanted = demo.generate(PROMPT, **{**SETTINGS, "seed": seed})
        assert np.array_equal(result.latents.array, wanted.latents.array)


def test_a_task_that_is_cancelled_ends_the_run(demo: Pipeline, denoiser_runs: list[tuple[int, int]]) -> None:
    async def leave() -> Steps:
        steps = demo.steps(PROMPT, **{**SETTINGS, "steps": 500})
        task = asyncio.ensure_future(asyncio.wait_for(_whole(steps), None))
        while len(denoiser_runs) < 3:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return steps

    asyncio.run(leave())
    assert len(denoiser_runs) < 400


async def _whole(steps: Steps) -> latentlink.Result:
    return await steps


def test_the_signatures_show_all_options(demo: Pipeline) -> None:
    assert {"prompt", "steps", "seed"} <= {*inspect.signature(demo.steps).parameters}
    assert {*inspect.signature(demo.warm_up).parameters} == {"num_images", "width", "height"}


def test_a_change_before_the_first_row_is_refused_and_two_changes_add_up(demo: Pipeline) -> None:
    steps = demo.steps(PROMPT, **SETTINGS)
    with pytest.raises(UsageError, match="has not begun; expected a change after its first row"):
        steps.change(guidance=3.0)
    at = next(steps)
    steps.change(guidance=1.0)
    steps.change(latents=at.latents())
    wanted = demo.generate(PROMPT, **SETTINGS, on_step=lambda at: Change(guidance=1.0) if at.row == 1 else None)
    assert np.array_equal(steps.finish().latents.array, wanted.latents.array)


def test_a_picture_that_is_done_takes_no_part_in_a_change_of_guidance(demo: Pipeline) -> None:
    settings: dict[str, Any] = {"seed": 3, "sampler": "euler", "num_images": 2, "steps": [2, 6], "guidance": [1.0, 5.0]}
    made = demo.generate(PROMPT, **settings, on_step=lambda at: Change(guidance=7.0) if at.row == 4 else None)
    alone = demo.generate(PROMPT, **{**SETTINGS, "steps": 2}, guidance=1.0)
    assert np.array_equal(made.latents.array[0], alone.latents.array[0])


def test_closing_a_run_whose_row_another_thread_runs_cancels_it(
    demo: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = demo.steps(PROMPT, **SETTINGS)
    inside, go_on = threading.Event(), threading.Event()
    session = demo.linked.denoiser.session
    run = session.run

    def slow(*given: Any) -> Any:
        inside.set()
        go_on.wait(10)
        return run(*given)

    monkeypatch.setattr(session, "run", slow)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(steps.finish)
        inside.wait(10)
        steps.close()
        go_on.set()
        with pytest.raises(Cancelled, match=r"Cancelled by Steps\.close"):
            running.result()
    assert repr(steps) == "<Steps: was closed>"
    assert [*steps] == []


def test_a_task_that_is_cancelled_within_with_is_cancelled(
    demo: Pipeline, denoiser_runs: list[tuple[int, int]]
) -> None:
    async def follow() -> None:
        with demo.steps(PROMPT, **{**SETTINGS, "steps": 500}) as steps:
            async for _ in steps:
                pass

    async def leave() -> None:
        task = asyncio.create_task(follow())
        while len(denoiser_runs) < 3:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(leave())
    assert len(denoiser_runs) < 400
