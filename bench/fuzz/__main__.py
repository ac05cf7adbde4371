"""Hostile input by the thousand: mutated bundles, checkpoints, latents and pictures, each of which has to end well.

python -m latentlink.bench.fuzz --minutes 30 --keep findings
python -m latentlink.bench.fuzz manifest tokenizer --seed 7 --count 200
python -m latentlink.bench.fuzz --again findings/manifest-17

A job ends well with the right picture, or with one sentence and an exit status that fits. A traceback, a signal, 20
seconds of processor time, 2 GB of memory, another status, or a wrong picture that verification let pass is a finding.
Hashes in manifests are made right again after each mutation. Equal seeds and numbers give equal mutations.

Ctrl-C ends it and prints what was found so far. The exit status is 1 if there is a finding.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Lock, Thread
from time import monotonic

import click

from latentlink.bench.fuzz.kinds import KINDS, Kind
from latentlink.bench.fuzz.material import Material
from latentlink.bench.fuzz.outcome import Job
from latentlink.bench.fuzz.report import Report, read_finding
from latentlink.bench.fuzz.worker import Worker
from latentlink.errors import UsageError
from latentlink.terminal.module import command, run_command

SAYS = 60.0
"""Seconds between two lines about how far it is."""


@command(__doc__)
@click.argument("kinds", nargs=-1, type=click.Choice([*KINDS]))
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the mutations.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="How long to go on.  [default: 10]")
@click.option("--count", type=click.IntRange(1), help="Jobs of each kind, whatever time they take.")
@click.option("--first", type=click.IntRange(0), default=0, show_default=True, help="Number of the first job.")
@click.option("--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes to try jobs in.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Folder for the findings' inputs.")
@click.option(
    "--checkpoint",
    "checkpoints",
    type=click.Path(path_type=Path, exists=True),
    multiple=True,
    help="A further checkpoint to mutate, a folder or a single file. May be repeated.",
)
@click.option("--work", type=click.Path(path_type=Path, file_okay=False), help="Folder for valid input, to use again.")
@click.option("--again", type=click.Path(path_type=Path, exists=True), help="Try a finding that was kept once more.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def main(
    kinds: tuple[str, ...],
    seed: int,
    minutes: float | None,
    count: int | None,
    first: int,
    processes: int,
    keep: Path | None,
    checkpoints: tuple[Path, ...],
    work: Path | None,
    again: Path | None,
    as_json: bool,
) -> None:
    """Try mutations until the time is over, and print counts and findings."""
    with TemporaryDirectory() as temporary:
        folder = (work or Path(temporary)).absolute()
        material = Material(folder=folder / "material", checkpoints=checkpoints)
        if again is not None:
            job, case = read_finding(again)
            worker = Worker(material, {job.kind: KINDS[job.kind]}, folder / "again")
            outcome = worker.run(job, case.absolute())
            worker.close()
            click.echo(f"{job}: {outcome.finding or outcome.ended}\n{outcome.detail}")
            sys.exit(1 if outcome.finding else 0)
        report = Report(keep)
        end = None if count is not None and minutes is None else monotonic() + 60 * (minutes or 10)
        numbers = range(first, first + count) if count else itertools.count(first)
        fuzz(_possible(kinds), seed, numbers, end, material, processes, report)
    click.echo(json.dumps(report.to_json(), indent=1) if as_json else report.table())
    sys.exit(1 if report.findings else 0)


def fuzz(
    kinds: Mapping[str, Kind],
    seed: int,
    numbers: Iterable[int],
    end: float | None,
    material: Material,
    processes: int,
    report: Report,
) -> None:
    """Try jobs, of all kinds in turn.

    Args:
        kinds: Kinds by name.
        seed: Seed of the mutations.
        numbers: Numbers of the jobs of each kind.
        end: When to stop, on the clock of `time.monotonic`; None to try all numbers.
        material: The valid input.
        processes: Number of processes.
        report: Collects the outcomes.
    """
    for kind in kinds.values():
        material.of(kind)
    jobs = (
        Job(seed=seed, kind=kind.name, number=number, command_line=number % kind.every == kind.every - 1)
        for number in numbers
        for kind in kinds.values()
    )
    turn, stop = Lock(), Event()
    failures: list[BaseException] = []

    def work(number: int) -> None:
        worker = Worker(material, kinds, material.folder.parent / f"process-{number}")
        try:
            while not (failures or stop.is_set()) and (end is None or monotonic() < end):
                with turn:
                    job = next(jobs, None)
                if job is None:
                    return
                outcome = worker.run(job)
                with turn:
                    if report.add(outcome, worker.case):
                        click.echo(f"finding: {outcome.finding} ({job}: {outcome.mutation[:120]})", err=True)
        except BaseException as error:
            failures.append(error)
        finally:
            worker.close()

    threads = [Thread(target=work, args=(number,)) for number in range(processes)]
    for thread in threads:
        thread.start()
    try:
        while any(thread.is_alive() for thread in threads):
            threads[0].join(SAYS)
            click.echo(f"{report.tried} tried, {len(report.findings)} findings so far", err=True)
    except KeyboardInterrupt:  # what was found so far is told
        stop.set()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def _possible(names: tuple[str, ...]) -> Mapping[str, Kind]:
    """The kinds that this machine can try.

    Raises:
        UsageError: A kind was asked for whose package is missing.
    """
    chosen = {name: KINDS[name] for name in names or KINDS}
    for name, kind in [*chosen.items()]:
        if (package := kind.missing()) is None:
            continue
        if names:
            raise UsageError(f"The kind {name} needs {package}, which is not installed.")
        click.echo(f"{name}: left out, as {package} is not installed", err=True)
        del chosen[name]
    return chosen


if __name__ == "__main__":
    run_command(main)
