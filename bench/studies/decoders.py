"""Which decoders are admitted, and why: makes the tables and the picture of docs/compatibility.md.

python -m latentlink.bench.studies.decoders docs

Writes docs/compatibility.md between its markers, and docs/pictures/compatibility.png; it takes some minutes.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from latentlink.runtime.probing import CandidateResult
from latentlink.runtime.probing.candidate import LEAST_SNR, MOST_GAIN
from latentlink.terminal.module import command, run_command

if TYPE_CHECKING:
    from latentlink.bench.studies.decoder_trials import Corruption, DecoderTrial

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def tables(rows: list[DecoderTrial], corruptions: list[Corruption]) -> str:
    """Both tables, in Markdown."""
    lines = [
        "| latents of | decoder | symbols | PSNR on probes | explained | correction gains | verdict |",
        "|---|---|---|--:|--:|--:|---|",
    ]
    for row in rows:
        verdict = "admitted" if row.admitted else f"refused by the {'probe' if row.symbols else 'symbol'}"
        cells = (
            row.host,
            row.decoder,
            "equal" if row.symbols else "differ",
            _db(row.candidate.agreement.psnr),
            _db(row.candidate.snr),
            _gain(row.candidate),
            verdict if row.admitted == row.right else f"**wrong: {verdict}**",
        )
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "| corruption of demo's decoder | tried | change pictures by over 1 dB | of these refused | admitted of these: "
        "least PSNR, explained | refused of the others |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for kind in dict.fromkeys(row.kind for row in corruptions):
        found = [row for row in corruptions if row.kind == kind]
        matter = [row for row in found if abs(row.psnr_loss) > 1]
        passed = [row for row in matter if row.candidate.accepted]
        least = (
            "none"
            if not passed
            else f"{min(r.picture_psnr for r in passed):.1f} dB, {min(r.candidate.snr for r in passed):.1f} dB"
        )
        others = [row for row in found if abs(row.psnr_loss) <= 1]
        lines.append(
            f"| {kind} | {len(found)} | {len(matter)} | {len(matter) - len(passed)} | {least} | "
            f"{sum(not row.candidate.accepted for row in others)} of {len(others)} |"
        )
    return "\n".join(lines)


def _db(value: float) -> str:
    return "equal" if value == float("inf") else f"{value:.1f} dB"


def _gain(candidate: CandidateResult) -> str:
    return "" if candidate.same or candidate.snr < LEAST_SNR else f"{candidate.gain:.1f} dB"


def plot(rows: list[DecoderTrial], corruptions: list[Corruption], out: Path) -> None:
    """Plot every decoder by what it explains and what a correction would gain, with the limits."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.5, 4.5), layout="constrained")
    groups: list[tuple[str, list[CandidateResult], str, str]] = [
        (f"corrupted: {kind}", [row.candidate for row in corruptions if row.kind == kind], marker, colour)
        for kind, marker, colour in (
            ("scaling", "x", "#d95f02"),
            ("shift", "+", "#e7298a"),
            ("channels", "v", "#a6761d"),
            ("weights", ".", "#7570b3"),
        )
    ]
    groups.append(("wrong", [row.candidate for row in rows if not row.right], "s", "#b2182b"))
    groups.append(("right", [row.candidate for row in rows if row.right], "o", "#1b7837"))
    for label, found, marker, colour in groups:
        x = [min(max(c.snr, -10), 70) for c in found]
        y = [min(max(c.gain, 0.01), 60) for c in found]
        axes.scatter(x, y, marker=marker, color=colour, label=label, s=28 if marker != "." else 40)
    axes.axvline(LEAST_SNR, color="#555", linewidth=1, linestyle="--")
    axes.axhline(MOST_GAIN, color="#555", linewidth=1, linestyle="--")
    axes.set_yscale("log")
    axes.set_xlabel("explained of the golden pictures, dB")
    axes.set_ylabel("gained by an affine correction, dB")
    axes.legend(fontsize=8, loc="upper right")
    figure.savefig(out, dpi=110)


@command(__doc__)
@click.argument("docs", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--count", type=click.IntRange(1), default=200, show_default=True, help="Random corruptions.")
def main(docs: Path, count: int) -> None:
    """Measure and write."""
    from latentlink.bench.studies.decoder_trials import corruption_trials, decoder_trials

    page = docs / "compatibility.md"
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    with TemporaryDirectory() as folder:
        rows = [*decoder_trials(Path(folder))]
        corruptions = [*corruption_trials(Path(folder), count)]
    page.write_text(f"{before}{BEGIN}\n{tables(rows, corruptions)}\n{END}{after}", encoding="utf-8")
    plot(rows, corruptions, docs / "pictures" / "compatibility.png")


if __name__ == "__main__":
    run_command(main)
