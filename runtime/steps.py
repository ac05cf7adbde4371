"""A generation in the caller's hands: row by row in a loop, or awaited, instead of with a callback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from threading import Lock
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from latentlink.errors import Cancelled, UsageError
from latentlink.runtime.denoising import Change, OnStep, Progress, answer_of
from latentlink.runtime.generating import Generation
from latentlink.runtime.result import Result
from latentlink.runtime.sessions.calls import Call

_T = TypeVar("_T")

_CANCELLED, _FAILED = "was cancelled", "failed"


class Steps(Iterator[Progress], AsyncIterator[Progress]):
    """A generation that runs as far as it is asked to. Made by `Pipeline.steps`.

        steps = pipe.steps("a red circle", seed=7)
        for progress in steps:                  # or: async for progress in steps
            if progress.row == 10:
                steps.change(guidance=1.0)
        steps.result.images[0].save("out.png")

    `async for` and `await steps` run every row in a thread of asyncio's, so that the event loop stays free. One thread
    at a time may ask for the next row, not always the same one; any may call `cancel`.

    Args:
        generation: The generation.
        call: Its call, which another thread can cancel.
    """

    def __init__(self, generation: Generation, call: Call) -> None:
        self._rows = generation.run(watched=True)
        self._call = call
        self._turn = Lock()
        self._change: Change | None = None
        self._at: Progress | None = None
        self._result: Result | None = None
        self._ended = ""  # how, if it ended without a result

    @property
    def result(self) -> Result:
        """The result, once the last row has run and the loop has ended.

        Raises:
            UsageError: It has not ended, or ended without one.
        """
        if self._result is not None:
            return self._result
        if self._ended:
            raise UsageError(f"The generation {self._ended} and has no result.", remedy="Begin another one.")
        raise UsageError(
            f"The generation {self._where}; expected one that has ended.", remedy="finish() runs the rest."
        )

    @property
    def _where(self) -> str:
        return "has not begun" if self._at is None else f"is at row {self._at.row} of {self._at.rows}"

    def __repr__(self) -> str:
        return f"<Steps: {'has ended' if self._result is not None else self._ended or self._where}>"

    def change(
        self, *, guidance: float | Sequence[float] | None = None, latents: NDArray[np.floating] | None = None
    ) -> None:
        """Change the run from the next row on, or what is decoded after the last; see `Change`. What cannot be changed
        is raised at the next row.

        Raises:
            UsageError: The generation has not begun, or has ended.
        """
        if self._result is not None or self._ended:
            raise UsageError("The generation has ended; expected a change before that.")
        if self._at is None:
            raise UsageError(
                "The generation has not begun; expected a change after its first row.",
                remedy="Give guidance and init_latents to steps().",
            )
        before = self._change or Change()
        self._change = Change(
            guidance=before.guidance if guidance is None else guidance,
            latents=before.latents if latents is None else latents,
        )

    def cancel(self) -> None:
        """End the run: the thread that works for it gets `Cancelled`. Any thread may call it."""
        self._call.cancel("Steps.cancel")

    def finish(self) -> Result:
        """Run the rest, and return the result.

        Raises:
            Cancelled: The run was cancelled.
        """
        while self._advance() is not None:
            pass
        return self.result

    def close(self) -> None:
        """End a run of which no more is wanted, and release its memory. Closing twice is harmless.

        If another thread works for it, that one gets `Cancelled` at its next engine run at the latest.
        """
        self._ended = self._ended or "was closed"
        if self._turn.acquire(blocking=False):
            try:
                self._rows.close()
            finally:
                self._turn.release()
        else:
            self._call.cancel("Steps.close")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Progress:
        if (progress := self._advance()) is None:
            raise StopIteration
        return progress

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Progress:
        if (progress := await self._aside(self._advance)) is None:
            raise StopAsyncIteration
        return progress

    def __await__(self) -> Generator[Any, None, Result]:
        return self._aside(self.finish).__await__()

    async def _aside(self, work: Callable[[], _T]) -> _T:
        """Do work in a thread of asyncio's. If the task is cancelled meanwhile, so is the run."""
        try:
            return await asyncio.to_thread(work)
        except asyncio.CancelledError:
            self._call.cancel("the task that awaited it")
            raise

    def _advance(self) -> Progress | None:
        """The progress after the next row; None at the end."""
        if not self._turn.acquire(blocking=False):
            raise UsageError("Two threads asked for the next row of one generation at once; expected one at a time.")
        try:
            if self._ended in (_CANCELLED, _FAILED):
                raise UsageError(f"The generation {self._ended} and has no further row.", remedy="Begin another one.")
            change, self._change = self._change, None
            with self._call.active():
                self._at = self._rows.send(change)
                return self._at
        except StopIteration as done:
            if not self._ended and self._result is None:
                self._result = done.value
            return None
        except Cancelled:
            self._ended = self._ended or _CANCELLED
            raise
        except BaseException:
            self._ended = self._ended or _FAILED
            raise
        finally:
            if self._ended:  # perhaps by another thread, while the row ran
                self._rows.close()
            self._turn.release()


def drive(generation: Generation, on_step: OnStep | None) -> Result:
    """Run a generation to its end, with a callback after every row.

    Raises:
        Cancelled: `on_step` returned a false value that is not None.
        UsageError: It returned an awaitable, a value that is neither true nor false, or a change that cannot be made.
    """
    rows, change = generation.run(watched=on_step is not None), None
    while True:
        try:
            progress = rows.send(change)
        except StopIteration as done:
            result: Result = done.value
            return result
        if on_step is not None:
            answer = answer_of(on_step(progress))
            if answer is False:
                raise Cancelled(f"Cancelled by on_step after row {progress.row} of {progress.rows}.")
            change = answer if isinstance(answer, Change) else None
