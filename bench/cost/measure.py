"""The cost of a bundle on this machine: start-up, seconds by stage, memory, and Python's share of a step."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import latentlink
from latentlink.errors import BundleError, LatentLinkError, LinkError, PreflightError, UsageError
from latentlink.options import OPTIONS
from latentlink.processors import processors
from latentlink.runtime import Decision
from latentlink.runtime.loading import decide

STAGES = ("text_encoder", "denoiser", "vae_decoder", "total")

REFUSALS: Mapping[int, type[LatentLinkError]] = {
    kind.status: kind for kind in (UsageError, LinkError, BundleError, PreflightError)
}
"""By exit status of a drawing process, the error that ended it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Seconds over several runs."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value."""
        return cls(median=statistics.median(values), low=min(values), high=max(values))

    def __str__(self) -> str:
        return f"{self.median:.4g} s ({self.low:.4g} to {self.high:.4g})"


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleCost:
    """The result of `measure_bundle`.

    Args:
        import_seconds: `import latentlink` in a fresh interpreter.
        cold_seconds: `latentlink generate`, from the start of its process to its end.
        cold_megabytes: Peak resident memory of the same process, in 10^6 bytes.
        stages: Seconds by stage with the bundle open.
        row_seconds: Seconds of one row of the sampler's table, everything included.
        python_share: Share of a row that is not spent inside the engine, 0 to 1.
        provenance: Machine and versions.
        engines: The engine of each component, and the engines that were skipped, with reasons.
    """

    import_seconds: Spread
    cold_seconds: Spread
    cold_megabytes: Spread
    stages: Mapping[str, Spread]
    row_seconds: Spread
    python_share: float
    provenance: Mapping[str, str]
    engines: Sequence[Decision]


def measure_bundle(
    bundle: str,
    *,
    prompt: str,
    settings: Mapping[str, Any],
    repeats: int,
    target: str = "auto",
    engine_memory: int | None = None,
    on_progress: Callable[[int, int, str], None] | None = None,
) -> BundleCost:
    """Measure a bundle: cold runs in their own processes, warm runs in this one.

    Args:
        bundle: See `latentlink.load`.
        prompt: Prompt to draw.
        settings: Further arguments of `Pipeline.generate`.
        repeats: Number of counted runs of each kind; one more warm run is not counted.
        target: See `latentlink.load`.
        engine_memory: See `latentlink.load`.
        on_progress: Called with (done, count, what) before each run.

    Raises:
        UsageError: `Pipeline.generate` refuses a setting, or see `latentlink.load`.
        LinkError, BundleError, PreflightError: See `latentlink.load`.
        LatentLinkError: A drawing process failed otherwise.
    """
    # refuse before any process is started
    decide(bundle, target=target)
    count = 3 * repeats + 1

    def report(done: int, what: str) -> None:
        if on_progress:
            on_progress(done, count, what)

    imports, colds, peaks = [], [], []
    for number in range(repeats):
        report(number, "importing")
        imports.append(_import_seconds())
    for number in range(repeats):
        report(repeats + number, "cold start")
        seconds, peak = _cold(bundle, prompt, {**settings, "target": target, "engine_memory": engine_memory})
        colds.append(seconds)
        peaks.append(peak)
    warm = []
    with latentlink.load(bundle, target=target, engine_memory=engine_memory) as pipe:
        rows: list[int] = []
        for number in range(repeats + 1):
            report(2 * repeats + number, "warm")
            # without guards, as bundles with random weights are measured too
            result = pipe.generate(
                prompt, seed=number, guard="off", on_step=lambda at: rows.append(at.rows), **settings
            )
            warm.append(result.timings)
    warm = warm[1:]
    return BundleCost(
        import_seconds=Spread.of(imports),
        cold_seconds=Spread.of(colds),
        cold_megabytes=Spread.of(peaks),
        stages={stage: Spread.of([timings[stage] for timings in warm]) for stage in STAGES},
        row_seconds=Spread.of([timings["denoiser"] / rows[-1] for timings in warm]),
        python_share=statistics.median(1 - timings["denoiser_engine"] / timings["denoiser"] for timings in warm),
        provenance=provenance(),
        engines=pipe.decisions,
    )


def provenance() -> Mapping[str, str]:
    """Machine and versions of a figure."""
    import numpy
    import onnxruntime

    return {
        "latentlink": latentlink.__version__,
        "onnxruntime": onnxruntime.__version__,
        "numpy": numpy.__version__,
        "python": platform.python_version(),
        "processor": _processor(),
        "processors": str(processors()),
        "system": platform.platform(),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _import_seconds() -> float:
    code = "from time import perf_counter as now; a = now(); import latentlink; print(now() - a)"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def _words(name: str, value: Any) -> list[str]:
    """A setting on the command line: an option of a generation, or of `load`."""
    return OPTIONS[name].words(value) if name in OPTIONS else [f"--{name.replace('_', '-')}={value}"]


def _cold(bundle: str, prompt: str, settings: Mapping[str, Any]) -> tuple[float, float]:
    """Seconds and peak resident memory (10^6 bytes) of a whole `latentlink generate`.

    Raises:
        UsageError, LinkError, BundleError, PreflightError: It was refused, with its message.
        LatentLinkError: It failed otherwise.
    """
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "errors").open("w+") as errors:
        options = [word for name, value in settings.items() if value is not None for word in _words(name, value)]
        options += ["--guard=off", "-o", f"{folder}/out.png"]
        command = [sys.executable, "-m", "latentlink", "generate", bundle, prompt, *options]
        began = perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            lines = errors.read().strip().splitlines()
            reason = lines[-1].removeprefix("latentlink: ") if lines else "no output"
            if (kind := REFUSALS.get(process.returncode)) is not None:
                raise kind(reason)
            raise LatentLinkError(f"latentlink generate ended with exit status {process.returncode}: {reason}")
    return seconds, usage.ru_maxrss * 1024 / 1e6
