"""The learning curves of both models as one picture.

python -m latentlink.demo.learning_curves OUT.png
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from latentlink.demo import NAMES
from latentlink.terminal.module import OutFile, command, run_command

CURVES = Path(__file__).parent / "curves"
COLOURS: Mapping[str, str] = {"demo": "#2654d6", "demo-b": "#d62828"}
PANELS = (
    ("vae", "psnr", "VAE: PSNR of a training batch, dB"),
    ("diffusion", "loss", "Denoiser: min-SNR-5 loss"),
)


def learning_curves(out: Path) -> None:
    """Plot `curves/NAME.jsonl` of both models, one panel for each of the two trainings.

    Args:
        out: PNG file to write.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(PANELS))
    for axis, (stage, column, title) in zip(axes, PANELS, strict=True):
        for name in NAMES:
            rows = _rows(name, stage)
            axis.plot([row["step"] for row in rows], [row[column] for row in rows], color=COLOURS[name], label=name)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("step")
        axis.grid(alpha=0.25)
        axis.legend(frameon=False)
    axes[1].set_yscale("log")
    figure.savefig(out, format="png", dpi=110)


def _rows(name: str, stage: str) -> list[dict[str, Any]]:
    """The points of one training, without the VAE's last, which is for new pictures and averaged weights."""
    lines = (CURVES / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["stage"] == stage]
    return rows[:-1] if stage == "vae" else rows[1:]


@command(__doc__)
@click.argument("out", type=OutFile(".png"))
def main(out: Path) -> None:
    """Write the picture."""
    learning_curves(out)


if __name__ == "__main__":
    run_command(main)
