"""The process that tries jobs: it changes a copy of valid input, uses it, and says what came of it."""

from __future__ import annotations

import faulthandler
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from signal import SIGUSR2
from typing import Any

from latentlink.bench.fuzz.kinds import Kind, imported
from latentlink.bench.fuzz.material import Material
from latentlink.bench.fuzz.outcome import Job, Outcome, frame_of, of_error
from latentlink.bench.fuzz.watched import resident, tail, watch
from latentlink.errors import ExitStatus, LatentLinkError

ADDRESSES = 24 << 30
"""Bytes of addresses beyond those at the start, so that what is not watched in time fails and the machine lives."""

LEAST_PSNR = 40.0
"""PSNR in dB of a picture with the one of the unchanged input below which it is another picture."""

SHOW = SIGUSR2
"""Signal at which the process writes the stacks of its threads."""


def serve(pipe: Connection, material: Material, kinds: Mapping[str, Kind], folder: Path) -> None:
    """Try the jobs that come through the pipe, in a new process."""
    output = os.open(folder / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ["XDG_CACHE_HOME"] = str(material.folder / "cache")
    os.environ["HF_HUB_OFFLINE"] = "1"
    with (folder / "stack.txt").open("wb") as stack:
        faulthandler.enable(stack)
        faulthandler.register(SHOW, stack)
        expected = {
            kind.name: {base.name: _expected(kind, base) for base in material.of(kind)} for kind in kinds.values()
        }
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_AS, (_addresses() + ADDRESSES, resource.RLIM_INFINITY))
        pipe.send(None)
        while True:
            try:
                job, again = pipe.recv()
            except EOFError:
                return
            kind = kinds[job.kind]
            pipe.send(_try(job, kind, again, material.of(kind), folder, expected[kind.name]))


def _try(job: Job, kind: Kind, again: Path | None, bases: Sequence[Path], folder: Path, expected: Any) -> Outcome:
    case, note = folder / "case", folder / "mutation.txt"
    shutil.rmtree(case, ignore_errors=True)
    rng = Random(f"{job.seed} {job.kind} {job.number}")
    base = rng.choice(bases)
    shutil.copytree(base if again is None else again, case, symlinks=True)
    what = detail = ""
    if again is None:
        mutation = imported(kind.mutate)(rng, case)
        what, detail = mutation.what, str(mutation)
    note.write_text(detail, encoding="utf-8", errors="backslashreplace")
    if job.command_line:
        return _by_command(job, kind, case, folder, detail)
    try:
        made = imported(kind.attempt)(case)
    except BaseException as error:
        ended, finding, more = of_error(error, kind.right)
        return Outcome(job=job, mutation=detail, ended=ended, finding=finding, detail=more)
    return _compared(job, detail, what, made, expected[base.name])


def _compared(job: Job, mutation: str, what: str, made: Any, wanted: Any) -> Outcome:
    """The outcome of a job that raised nothing."""
    from latentlink.engine.quality import psnr

    if not wanted:
        return Outcome(job=job, mutation=mutation, ended="accepted")
    same = [one.shape == other.shape for one, other in zip(made, wanted, strict=True)]
    least = min(psnr(one, other) for one, other in zip(made, wanted, strict=True)) if all(same) else 0.0
    if least >= LEAST_PSNR:
        return Outcome(job=job, mutation=mutation, ended="right picture")
    return Outcome(
        job=job,
        mutation=mutation,
        ended="wrong picture",
        finding=f"wrong picture after {job.kind} {what}",
        detail=f"{least:.1f} dB",
    )


def _by_command(job: Job, kind: Kind, case: Path, folder: Path, mutation: str) -> Outcome:
    """The outcome of the command line's use of a case."""
    words = imported(kind.command)(case, job.number // kind.every)
    work = folder / "command"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    title, output, errors = f"latentlink {words[0]}", work / ".output", work / ".errors"
    with output.open("wb") as out, errors.open("wb") as err:
        done = subprocess.Popen(
            [sys.executable, "-m", "latentlink", *words], cwd=work, stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
        why = watch(done.pid, lambda: _ended(done), 0.9 * kind.command_seconds, before=resident(os.getpid()))
        done.kill()
        done.wait()
    said = tail(errors)
    if why is not None:
        return Outcome(job=job, mutation=mutation, ended=why, finding=f"{why} of {title}", detail=f"{words}\n{said}")
    ended = f"status {done.returncode}"
    known = [status for status in kind.right if status == done.returncode]
    if "Traceback (most recent call last)" in said or "panicked at" in said:
        finding = f"traceback of {title} in {frame_of(said, last=True)}"
    elif not known:
        finding = f"status {done.returncode} of {title}"
    elif known[0] is not ExitStatus.DONE and not said.strip() and not output.stat().st_size:
        finding = f"no word of {title}"
    else:
        return Outcome(job=job, mutation=mutation, ended=ended)
    return Outcome(job=job, mutation=mutation, ended=ended, finding=finding, detail=f"{words}\n{said}")


def _ended(process: subprocess.Popen[bytes]) -> bool:
    with suppress(subprocess.TimeoutExpired):
        process.wait(0.05)
    return process.returncode is not None


def _expected(kind: Kind, base: Path) -> Any:
    """What a kind makes of a valid input.

    Raises:
        RuntimeError: It is refused, so that nothing would be tried by changing it.
    """
    try:
        return imported(kind.attempt)(base)
    except LatentLinkError as error:
        raise RuntimeError(f"The valid input {base} is refused: {error}") from error


def _addresses() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
