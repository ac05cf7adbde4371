"""Checks and measurements that need an NVIDIA GPU: checks of every target, and speeds compared with diffusers.

python -m latentlink.bench.gpu OUT.json [--checks-only | --speed-only] [--targets tensorrt-rtx,ort-cuda] [--quick]
python -m latentlink.bench.gpu OUT.json --first --work DIR

It uses what is installed: targets whose packages are missing are listed as not run, with the reason. OUT.json is
rewritten after every finding, so that an interrupted run leaves its findings.

The exit status is 0 if everything that ran passed, 1 if something failed, and 5 if there is no GPU or no target, or
not every named one, could run.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import click

from latentlink.bench.cost import clocks, provenance_of_gpu, run_in_new_process
from latentlink.bench.gpu.checks import missing_reason, run_checks
from latentlink.bench.gpu.findings import Check, GpuReport, Peak, Speed
from latentlink.bench.gpu.first import run_first
from latentlink.bench.gpu.material import Material
from latentlink.bench.gpu.peak import matrix_product_peak
from latentlink.bench.gpu.speed import WORKS, Effort, run_speeds
from latentlink.bench.gpu.subject import PRECISIONS, Subject
from latentlink.bench.gpu.tables import show
from latentlink.engine.targets import TARGETS, Machine, this_machine
from latentlink.errors import LatentLinkError, PreflightError
from latentlink.files import atomic_file
from latentlink.terminal.module import OutFile, command, run_command
from latentlink.terminal.printing import complain

GPU_TARGETS = tuple(name for name, target in TARGETS.items() if target.gpu)


@command(__doc__)
@click.argument("out", type=OutFile())
@click.option("--checks-only", is_flag=True, help="Do not measure speeds.")
@click.option("--speed-only", is_flag=True, help="Do not run checks.")
@click.option(
    "--targets", help=f"Comma-separated; these have to run.  [default: installed ones of {', '.join(GPU_TARGETS)}]"
)
@click.option("--quick", is_flag=True, help="One demo model, one size, few runs: a quick test.")
@click.option("--first", is_flag=True, help="Ten minutes on an unknown GPU: short checks, the most telling first.")
@click.option("--work", type=click.Path(path_type=Path, file_okay=False), help="Folder for files to keep.")
def main(
    out: Path,
    checks_only: bool,
    speed_only: bool,
    targets: str | None,
    quick: bool,
    first: bool,
    work: Path | None,
) -> None:
    """Check and measure every GPU target, write the findings to OUT and print them."""
    if first and (checks_only or speed_only or quick or targets is not None):
        raise click.UsageError("--first is a plan of its own; expected at most --work with it.")
    if checks_only and speed_only:
        raise click.UsageError("--checks-only and --speed-only exclude each other; expected at most one.")
    required = _parse_targets(targets)
    machine = with_gpu(this_machine())
    with ExitStack() as stack:
        folder = work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        material = Material(folder=folder, keep=work is not None)
        if first:
            report = run_plan(machine, material, out)
            show(report)
            sys.exit(report.status)
        report = run(
            machine,
            material,
            out,
            required=required,
            checks=not speed_only,
            speeds=not checks_only,
            quick=quick,
        )
    show(report)
    sys.exit(report.status)


def with_gpu(machine: Machine) -> Machine:
    """Return the machine if it has a GPU.

    Raises:
        PreflightError: It has no GPU.
    """
    if not machine.gpus:
        raise PreflightError(
            "bench.gpu needs an NVIDIA GPU and its driver, but this machine has no CUDA device.",
            remedy="Run it on a machine with one.",
        )
    return machine


def run_plan(machine: Machine, material: Material, out: Path) -> GpuReport:
    """Run the plan of the first ten minutes; `out` is rewritten after every finding."""
    report = GpuReport(provenance=provenance_of_gpu(machine))
    _write(report, out)
    for check in run_first(machine, material):
        report = replace(report, checks=(*report.checks, check))
        _print_finding(check)
        _write(report, out)
    return report


def run(
    machine: Machine,
    material: Material,
    out: Path,
    *,
    required: Sequence[str],
    checks: bool = True,
    speeds: bool = True,
    quick: bool = False,
) -> GpuReport:
    """Check and measure.

    Args:
        machine: Machine with a GPU.
        material: Source of checkpoints, exports and bundles.
        out: Report file, rewritten after every finding.
        required: Targets that have to run; empty for all that can run.
        checks: Whether to run checks.
        speeds: Whether to measure speeds.
        quick: Whether to run the minimum of both.
    """
    targets = required or GPU_TARGETS
    report = GpuReport(provenance=provenance_of_gpu(machine), targets=tuple(required))
    _write(report, out)
    if checks:
        least = {"models": ("demo",), "pictures": 1} if quick else {}
        subjects = [
            Subject(material=material, target=target, precision=precision, **least)  # type: ignore[arg-type]
            for target in targets
            for precision in PRECISIONS
        ]
        for check in run_checks(subjects, machine):
            report = replace(report, checks=(*report.checks, check))
            _print_finding(check)
            _write(report, out)
    if speeds:
        why_not = {target: missing_reason(target, machine) for target in targets}
        try:
            peak: Peak | None = run_in_new_process(
                matrix_product_peak, [target for target, why in why_not.items() if not why]
            )
        except LatentLinkError as error:
            complain(str(error))
            peak = None
        report = replace(report, peak=peak)
        effort = Effort(steps=4, rounds=2, mode="default") if quick else Effort()
        works = WORKS[:1] if quick else WORKS
        for speed in run_speeds(works, why_not, material, effort, None if peak is None else peak.tflops):
            report = replace(report, speeds=(*report.speeds, speed))
            _print_finding(speed)
            _write(report, out)
        report = replace(report, provenance={**report.provenance, "nvidia_smi_after": clocks()})
        _write(report, out)
    return report


def _parse_targets(targets: str | None) -> tuple[str, ...]:
    """Names of targets, each once."""
    names = tuple(dict.fromkeys(name.strip() for name in targets.split(","))) if targets is not None else ()
    if unknown := [name for name in names if name not in GPU_TARGETS]:
        raise click.UsageError(f"{unknown[0]!r} is no target for GPUs; expected some of {', '.join(GPU_TARGETS)}.")
    return names


def _print_finding(finding: Check | Speed) -> None:
    """Print one line per finding."""
    if isinstance(finding, Check):
        title = ", ".join(filter(None, [f"{finding.target} {finding.precision}".strip(), finding.name]))
    else:
        title = f"{finding.work}, {finding.side}"
    complain(f"{title}: {finding.verdict} {finding.reason}".rstrip())


def _write(report: GpuReport, out: Path) -> None:
    with atomic_file(out) as part:
        part.write_text(json.dumps(report.to_json(), indent=2, allow_nan=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run_command(main)
