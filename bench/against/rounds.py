"""Sides measured in turns, one process at a time: each round reopens every side, so that load affects all equally."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from latentlink.bench.against import runner
from latentlink.bench.against.contenders import Contender
from latentlink.bench.against.environment import SideNotReady, ensure_python, prepare_model, program_of
from latentlink.bench.against.sides import SCHEDULERS
from latentlink.bench.cost import Spread
from latentlink.errors import UsageError
from latentlink.runtime import bundle_path

METRICS = ("step", "vae_decoder", "total", "cold", "open", "peak_gb", "energy_j")
"""Seconds of a step, of the VAE and of a whole picture when warm; of the first picture from the start of the process,
and of opening the model; peak resident memory; energy of the processor's package, if the machine reports it."""

ENERGY = Path("/sys/class/powercap")
"""Folder of the processor's energy counters on Linux."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The pictures that every side draws.

    Args:
        prompt: Prompt text.
        negative_prompt: Negative prompt text.
        seed: Seed of the first picture.
        steps: Denoising steps, at least 3.
        guidance: Guidance scale.
        sampler: A key of `SCHEDULERS`.
        width: Picture width in pixels.
        height: Picture height in pixels.
        threads: Number of threads of every side.
        warm: Number of timed pictures in each process, after the first.
    """

    prompt: str
    negative_prompt: str = ""
    seed: int = 0
    steps: int = 5
    guidance: float = 7.5
    sampler: str = "euler"
    width: int = 512
    height: int = 512
    threads: int = 2
    warm: int = 1


@dataclass(slots=True, kw_only=True)
class Outcome:
    """Measurements of a side.

    Args:
        contender: The side.
        rounds: Metrics of every round.
        versions: Versions of its packages.
        reason: Why it was not measured, or not in all rounds; empty otherwise.
    """

    contender: Contender
    rounds: list[Mapping[str, float]] = field(default_factory=list)
    versions: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""

    def spread(self, metric: str) -> Spread | None:
        """Spread over the rounds; None if the metric was not measured."""
        values = [values[metric] for values in self.rounds if metric in values]
        return Spread.of(values) if values else None

    def ratio(self, metric: str, first: Outcome) -> float | None:
        """Median over the rounds of its figure divided by the first side's; above 1, the first side needs less."""
        pairs = zip(self.rounds, first.rounds, strict=False)
        found = [own[metric] / its[metric] for own, its in pairs if metric in own and its.get(metric)]
        return statistics.median(found) if found else None


def compare_in_rounds(
    checkpoint: str | Path,
    contenders: Sequence[Contender],
    work: Workload,
    *,
    rounds: int,
    folder: Path,
    pictures: Path | None = None,
    on_progress: Callable[[int, int, str], object] = lambda done, count, what: None,
) -> list[Outcome]:
    """Measure sides in rounds.

    A side that fails once is left out of later rounds, with the reason in its outcome; the others go on.

    Args:
        checkpoint: Diffusers directory that the first bundle was made from; the others read it.
        contenders: The sides; the first is what all are compared with.
        work: The pictures to draw.
        rounds: Number of rounds; each opens every side once.
        folder: Folder of environments and prepared models.
        pictures: Directory for one picture of each side; None for none.
        on_progress: Called with (done, count, what) before each process.

    Raises:
        UsageError: Not all sides have the sampler, there are too few steps, or there is no checkpoint.
    """
    if work.sampler not in SCHEDULERS:
        raise UsageError(f"Sampler {work.sampler!r} is not one that all sides have; expected {', '.join(SCHEDULERS)}.")
    if work.steps < 3:
        raise UsageError(f"steps is {work.steps}; expected at least 3, as the first is not timed.")
    if not (Path(checkpoint) / "model_index.json").is_file():
        raise UsageError(f"There is no model_index.json in {str(checkpoint)!r}; expected a diffusers directory.")
    folder = folder.resolve()
    outcomes = [Outcome(contender=one) for one in contenders]
    count = len(outcomes) * (rounds + 1)
    pythons, models = {}, {}
    for number, outcome in enumerate(outcomes):
        side, name = outcome.contender.side, outcome.contender.name

        def tell(what: str, number: int = number) -> None:
            on_progress(number, count, what)

        try:
            pythons[name] = ensure_python(side, folder, tell)
            models[name] = prepare_model(side, pythons[name], Path(checkpoint), folder, tell)
        except SideNotReady as error:
            outcome.reason = error.message
    for turn in range(rounds):
        # each round starts with another side
        for place in range(len(outcomes)):
            outcome = outcomes[(turn + place) % len(outcomes)]
            on_progress((turn + 1) * len(outcomes) + place, count, outcome.contender.title)
            if outcome.reason:
                continue
            name = outcome.contender.name
            job = _job(outcome.contender, work, Path(checkpoint))
            job |= {"prepared": str(models[name] or ""), "picture": ""}
            if pictures is not None:
                pictures.mkdir(parents=True, exist_ok=True)
                job["picture"] = str(pictures.resolve() / _picture(outcomes.index(outcome), outcome.contender))
            try:
                values, outcome.versions = _measured(pythons[name], job)
                outcome.rounds.append(values)
            except SideNotReady as error:
                outcome.reason = error.message
    return outcomes


def _picture(place: int, contender: Contender) -> str:
    """File name of a side's picture; its number separates titles that differ only in characters that are replaced."""
    return f"{place + 1}-{re.sub(r'[^A-Za-z0-9.]+', '-', contender.title)}.png"


def _job(contender: Contender, work: Workload, checkpoint: Path) -> dict[str, Any]:
    """The job of a side's process."""
    scheduler, genai_scheduler = SCHEDULERS[work.sampler]
    ours = contender.ours
    # processes run in a folder of their own, so paths are absolute
    model = checkpoint if ours is None else bundle_path(ours.bundle)
    settings = {} if ours is None else {"target": ours.target, "settings": dict(ours.settings)}
    return {
        **{name: getattr(work, name) for name in work.__dataclass_fields__},
        "side": contender.name,
        "precision": contender.precision,
        "model": str(model.resolve()),
        "scheduler": scheduler,
        "genai_scheduler": genai_scheduler,
        "packages": contender.side.packages,
        "program": program_of(contender.side),
        "denoiser": contender.denoiser,
        **settings,
    }


def _measured(python: str, job: Mapping[str, Any]) -> tuple[dict[str, float], Mapping[str, str]]:
    """Metrics and versions of one process.

    Raises:
        SideNotReady: The process failed.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": str(job["threads"]), "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        job_file, out = Path(folder) / "job.json", Path(folder) / "result.json"
        errors = stack.enter_context((Path(folder) / "errors").open("w+"))
        before = _energy()
        job_file.write_text(json.dumps({**job, "started": time.time()}), encoding="utf-8")
        process = subprocess.Popen(
            [python, runner.__file__, str(job_file), str(out)],
            stdout=errors,
            stderr=errors,
            env=environment,
            cwd=folder,
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
        after = _energy()
        if process.returncode:
            errors.seek(0)
            lines = errors.read().strip().splitlines()
            why = lines[-1] if lines else "no output"
            raise SideNotReady(f"it ended with exit status {process.returncode}: {why}")
        result = json.loads(out.read_text(encoding="utf-8"))
    values = {name: statistics.median(one[name] for one in result["warm"]) for name in ("step", "vae_decoder", "total")}
    if job.get("settings", {}).get("step_cache", 1) > 1:
        del values["step"]  # whole and shallow steps differ: their median would be one of either kind
    # a process has at least the peak of the one that started it, which is too much for a program without Python
    peak = result.get("peak_gb", usage.ru_maxrss * 1024 / 1e9)
    values |= {"cold": result["cold"], "open": result["open"], "peak_gb": peak}
    if before is not None and after is not None and after > before:
        values["energy_j"] = after - before
    return values, result["versions"]


def _energy() -> float | None:
    """Energy counter of the processor's packages in joules; None if the machine has none."""
    try:
        counters = [int(path.read_text()) for path in ENERGY.glob("intel-rapl:?/energy_uj")]
    except OSError:
        return None
    return sum(counters) / 1e6 if counters else None
