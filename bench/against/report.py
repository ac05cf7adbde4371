"""Results of a comparison: JSON, and a Markdown table and a plot made from it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from latentlink.bench.against.contenders import LATENTLINK, Contender, label
from latentlink.bench.against.rounds import METRICS, Outcome, Workload
from latentlink.bench.cost import provenance

COLUMNS: Mapping[str, tuple[str, str]] = {
    "step": ("s a step", "{:.3g}"),
    "vae_decoder": ("VAE, s", "{:.3g}"),
    "total": ("picture, s", "{:.3g}"),
    "cold": ("first picture, s", "{:.3g}"),
    "peak_gb": ("peak memory, GB", "{:.2f}"),
    "energy_j": ("energy, J", "{:.0f}"),
}
"""Heading and format of the metrics that tables show."""

RATIOS = ("step", "total", "peak_gb")
"""Metrics that are shown with their ratio in brackets."""


def to_json(outcomes: Sequence[Outcome], work: Workload, *, rounds: int, more: Mapping[str, Any]) -> dict[str, Any]:
    """A comparison as data.

    Args:
        outcomes: Outcome of every side; the first is what all are compared with.
        work: What was drawn.
        rounds: Number of rounds; each side was opened once in each.
        more: Further information for readers, such as the checkpoint.
    """
    first = outcomes[0]
    sides = []
    for one in outcomes:
        spreads = {metric: one.spread(metric) for metric in METRICS}
        ratios = {metric: one.ratio(metric, first) for metric in METRICS}
        sides.append(
            {
                "name": one.contender.name,
                "title": one.contender.side.title,
                "precision": one.contender.precision,
                **_side_options(one.contender),
                "reason": one.reason,
                "versions": dict(one.versions),
                "metrics": {name: asdict(spread) for name, spread in spreads.items() if spread is not None},
                "ratios": {name: ratio for name, ratio in ratios.items() if ratio is not None and one is not first},
                "rounds": [dict(values) for values in one.rounds],
            }
        )
    return {
        "kind": "latentlink bench --against",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": ["latentlink", *sys.argv[1:]],
        "work": asdict(work),
        "rounds": rounds,
        **more,
        "provenance": dict(provenance()),
        "sides": sides,
    }


def _side_options(contender: Contender) -> dict[str, Any]:
    """Bundle, target and settings of our side, and the target of its denoiser's engine; empty for others."""
    return {} if contender.ours is None else asdict(contender.ours) | {"denoiser": contender.denoiser}


def side_title(side: Mapping[str, Any]) -> str:
    """Label of a side of `to_json` in tables and plots."""
    return label(side["title"], side["precision"], side.get("settings", {}))


def markdown(results: Mapping[str, Any]) -> str:
    """A table of `to_json`: medians, and in brackets their ratio to the first side's."""
    shown = [name for name in COLUMNS if any(name in side["metrics"] for side in results["sides"])]
    rows = [["", *(COLUMNS[name][0] for name in shown)], ["---", *("---:" for _ in shown)]]
    notes = []
    for side in results["sides"]:
        title = side_title(side)
        if not side["metrics"]:
            notes.append(f"{title}: not measured, {side['reason']}")
            continue
        cells = []
        for name in shown:
            spread = side["metrics"].get(name)
            cell = "" if spread is None else COLUMNS[name][1].format(spread["median"])
            ratio = side["ratios"].get(name) if name in RATIOS else None
            cells.append(cell if ratio is None else f"{cell} ({ratio:.2f}x)")
        rows.append([title, *cells])
    work, machine = results["work"], results["provenance"]
    notes_line = (
        f"{work['width']}x{work['height']}, {work['steps']} steps of {work['sampler']}, guidance {work['guidance']:g}, "
        f"{work['threads']} threads, {machine['processor']}; medians of {results['rounds']} rounds."
    )
    ours = [side for side in results["sides"] if side["name"] == LATENTLINK]
    if len(ours) > 1:
        notes_line += f" In brackets, times the figure of {side_title(ours[0])}."
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([*lines, "", notes_line, *notes, "", f"`{' '.join(results['command'])}`"]) + "\n"


def plot(results: Mapping[str, Any], path: Path) -> None:
    """Bars of a step, a whole picture, and peak memory, as a PNG.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    from matplotlib.figure import Figure

    sides = [side for side in reversed(results["sides"]) if side["metrics"]]
    figure = Figure(figsize=(11, 1.2 + 0.45 * len(sides)), layout="constrained")
    titles = [side_title(side) for side in sides]
    for place, name in enumerate(("step", "total", "peak_gb")):
        axes = figure.add_subplot(1, 3, place + 1)
        spreads = [side["metrics"].get(name) for side in sides]
        middle = [0.0 if spread is None else spread["median"] for spread in spreads]
        errors = [
            [0.0 if spread is None else abs(spread["median"] - spread[end]) for spread in spreads]
            for end in ("low", "high")
        ]
        colours = ["#1f6f8b" if side["name"] == LATENTLINK else "#c9ced6" for side in sides]
        bars = axes.barh(titles, middle, xerr=errors, color=colours, ecolor="#666")
        axes.bar_label(bars, [COLUMNS[name][1].format(value) for value in middle], padding=4, fontsize=8)
        axes.set_title(COLUMNS[name][0], fontsize=10)
        axes.margins(x=0.18)
        axes.spines[["top", "right"]].set_visible(False)
        if place:
            axes.set_yticklabels([])
    figure.savefig(path, dpi=130, format="png")
