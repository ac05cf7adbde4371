"""`latentlink verify`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from latentlink.cli.shared.options import threads_option
from latentlink.cli.shared.words import admissions
from latentlink.errors import BundleError, ExitStatus, LinkError, PreflightError
from latentlink.terminal.printing import say, say_json, say_table
from latentlink.terminal.progress import progress

if TYPE_CHECKING:
    from latentlink.runtime.probing import EngineCheck


@click.command(
    epilog="""\b
Examples:
  latentlink verify demo
  latentlink verify demo --vae-decoder demo-tiny     # does it read demo's latents?
  latentlink verify bundle --quick --json

Exit status: 0 all engines that can run here passed, 3 the other decoder does not read these latents, 4 a file or an
engine is damaged or computes something else, 5 no engine of a component can run here.
"""
)
@click.argument("bundle")
@click.option("--vae-decoder", metavar="OTHER", help="Also check whether the decoder of bundle OTHER fits BUNDLE.")
@click.option("--quick", is_flag=True, help="Run one probe per engine instead of all.")
@threads_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(bundle: str, vae_decoder: str | None, quick: bool, threads: int | None, as_json: bool) -> int:
    """Check BUNDLE: its files by their hashes, its engines by their ports and by running them on golden inputs.

    The golden outputs were computed by torch in float32 at export. Engines for other machines are listed and not run.
    """
    from latentlink.engine.bundle import Bundle
    from latentlink.runtime import bundle_path, load
    from latentlink.runtime.probing.verify import verify

    rows: list[EngineCheck] = []
    with progress() as bar:
        task = bar.add_task("hashing", total=None)
        opened = Bundle.open(
            bundle_path(bundle), on_progress=lambda done, total: bar.update(task, total=total, completed=done)
        )
        count = sum(len(entry.engines) for entry in opened.manifest.components.values())

        def begins(title: str) -> None:
            bar.update(task, total=count, completed=len(rows), description=f"running {title}")

        for checked in verify(opened, quick=quick, threads=threads, on_engine=begins):
            rows.append(checked)
    refusal: LinkError | None = None
    admitted: list[str] = []
    if vae_decoder is not None:
        try:
            with load(bundle, replace={"vae_decoder": vae_decoder}, threads=threads) as pipe:
                admitted = admissions(pipe.decisions)
        except LinkError as error:
            refusal = error
    if as_json:
        record: dict[str, Any] = {"bundle": bundle, "engines": [_record(row) for row in rows]}
        if vae_decoder is not None:
            reason = refusal.message if refusal else " ".join(admitted)
            record["vae_decoder"] = {"bundle": vae_decoder, "accepted": refusal is None, "reason": reason}
        say_json(record)
    else:
        _print(rows)
        for line in admitted:
            say(line)
    _end(bundle, rows)
    if refusal is not None:
        raise refusal
    return ExitStatus.DONE


def _end(bundle: str, rows: list[EngineCheck]) -> None:
    """Raise the error of the first row that failed, if any.

    Raises:
        BundleError: An engine failed, or has no probes.
        PreflightError: No engine of a component could be run here.
    """
    from latentlink.engine.bundle import REMEDY

    for row in rows:
        if row.verdict in ("failed", "no probes"):
            what = "does not compute what the reference computed" if row.verdict == "failed" else "was not checked"
            raise BundleError(
                f"{bundle}: {row.component} for {row.target} {what}: {row.reason}.",
                remedy=REMEDY,
            )
    ran = {row.component for row in rows if row.verdict == "passed"}
    if idle := [row.component for row in rows if row.component not in ran]:
        raise PreflightError(f"{bundle}: no engine of {', '.join(idle)} could be run here; the table says why.")


def _record(row: EngineCheck) -> dict[str, Any]:
    record: dict[str, Any] = {
        "component": row.component,
        "target": row.target,
        "precision": row.precision,
        "verdict": row.verdict,
        "reason": row.reason,
    }
    if (found := row.agreement) is not None:
        record |= {
            "cosine": found.cosine,
            "psnr": found.psnr if math.isfinite(found.psnr) else None,
            "worst": found.worst,
            "threshold": {"psnr": found.needed_psnr, "worst": found.needed_worst},
        }
    return record


def _print(rows: list[EngineCheck]) -> None:
    cells = []
    for row in rows:
        found = row.agreement
        numbers = ["", "", "", ""]
        if found is not None:
            numbers = [
                f"{found.cosine:.4f}",
                f"{found.psnr:.1f} dB" if math.isfinite(found.psnr) else "equal",
                _short(f"{found.worst:.1e}"),
                f"{found.needed_psnr:g} dB {_short(f'{found.needed_worst:.0e}')}",
            ]
        cells.append((row.component, f"{row.target} {row.precision}", *numbers, row.verdict))
    say_table(("component", "target", "cosine", "PSNR", "worst", "threshold", "verdict"), cells)
    for row in rows:
        if row.reason:
            say(f"{row.component} for {row.target}: {row.reason}")


def _short(number: str) -> str:
    """Shorten `1e-04` to `1e-4`, so that a line with the longest component name fits."""
    return number.replace("e-0", "e-").replace("e+0", "e+")
