"""A process that tries one job after the other, watched from outside: its time, its memory and its life."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from latentlink.bench.fuzz.kinds import Kind
from latentlink.bench.fuzz.material import Material
from latentlink.bench.fuzz.outcome import Job, Outcome, frame_of
from latentlink.bench.fuzz.served import SHOW, serve
from latentlink.bench.fuzz.watched import tail, watch

PREPARING = 900.0
"""Seconds in which a process has to import and draw what pictures are compared with."""


class Worker:
    """A process for jobs, which is made again when it dies or is ended.

    Args:
        material: The valid input.
        kinds: Kinds by name that it will be given.
        folder: Folder of its own.
    """

    def __init__(self, material: Material, kinds: Mapping[str, Kind], folder: Path) -> None:
        self._material, self._kinds, self.folder = material, kinds, folder
        folder.mkdir(parents=True, exist_ok=True)
        self._process: Any = None
        self._pipe: Connection

    @property
    def case(self) -> Path:
        """The changed input of the last job."""
        return self.folder / "case"

    def run(self, job: Job, again: Path | None = None) -> Outcome:
        """Try a job.

        Args:
            job: The job.
            again: A case that was kept, used instead of a new mutation.
        """
        if self._process is None or not self._process.is_alive():
            self.close()
            self._start()
        stack = self.folder / "stack.txt"
        stack.write_bytes(b"")
        self._pipe.send((job, again))
        why = watch(
            self._process.pid,
            lambda: self._pipe.poll(0.05) or not self._process.is_alive(),
            self._kinds[job.kind].limit(job.command_line),
        )
        if why is None:
            try:
                outcome: Outcome = self._pipe.recv()
            except EOFError:
                why = "killed"
            else:
                return outcome
        self._process.join(1.0)
        status = self._process.exitcode
        if status is None:  # have it write where it is, then end it
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, SHOW)
            self._process.join(0.5)
        self.close()
        text = stack.read_text(encoding="utf-8", errors="replace")
        mutation = self.folder / "mutation.txt"
        return Outcome(
            job=job,
            mutation=mutation.read_text(encoding="utf-8") if mutation.exists() else "",
            ended=why,
            finding=f"{why} in {frame_of(text, last=False)}",
            detail=f"exit status {status}\n{text[:6000]}\n{tail(self.folder / 'output.txt')}",
        )

    def _start(self) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=serve, args=(theirs, self._material, self._kinds, self.folder), daemon=True
        )
        self._process.start()
        theirs.close()
        if not self._pipe.poll(PREPARING):
            self.close()
            raise TimeoutError("The process of the fuzzer did not start.")
        try:
            self._pipe.recv()
        except EOFError:
            raise RuntimeError(f"The process of the fuzzer ended: {tail(self.folder / 'output.txt')}") from None

    def close(self) -> None:
        """End the process: one that waits for a job by itself, any other at once."""
        if self._process is not None:
            self._pipe.close()
            self._process.join(1.0)
            self._process.kill()
            self._process.join()
            self._process = None
