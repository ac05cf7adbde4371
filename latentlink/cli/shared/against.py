"""`latentlink bench --against`: the comparison, its table, and the output files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from latentlink.errors import PreflightError
from latentlink.terminal.printing import json_text, say, say_table
from latentlink.terminal.progress import progress


def run_against(
    bundle: str,
    checkpoint: str,
    against: str,
    also: Sequence[str],
    settings: Mapping[str, Any],
    *,
    rounds: int,
    target: str,
    folder: Path | None,
    pictures: Path | None,
    files: Mapping[str, Path | None],
) -> None:
    """Compare, print the table, write `files` (`plot`, `markdown`, `json`).

    Args:
        bundle: Our bundle, which all others are compared with.
        checkpoint: Checkpoint that the other programs read.
        against: Names of the other programs.
        also: Further bundles of ours, each as `read_our_side` takes it.
        settings: Settings of the picture to draw; None for the bundle's own value.
        rounds: Number of times that each side is opened.
        target: Target that `bundle` runs on.
        folder: Folder that keeps environments and models; None for the user's cache.
        pictures: Folder for a picture of every side.
        files: Files for the results, by kind; None for those that are not wanted.
    """
    from latentlink.bench.against import (
        COLUMNS,
        RATIOS,
        OurSide,
        Workload,
        compare_in_rounds,
        default_folder,
        markdown,
        other_contenders,
        our_contenders,
        plot,
        read_our_side,
        side_title,
        to_json,
    )
    from latentlink.engine.bundle import Bundle
    from latentlink.files import atomic_file
    from latentlink.processors import processors
    from latentlink.runtime import bundle_path

    if files["plot"] is not None and find_spec("matplotlib") is None:
        raise PreflightError("--plot needs matplotlib, but it is not installed.", remedy="pip install matplotlib")
    ours = [OurSide(bundle=bundle, target=target), *(read_our_side(text) for text in also)]
    contenders = our_contenders(ours)
    contenders += other_contenders(against, contenders[0])
    own = Bundle.open(bundle_path(bundle), check_files=False).manifest.sampling
    defaults = {"width": own.width, "height": own.height, "guidance": own.guidance}
    requested = {name: value for name, value in settings.items() if value is not None}
    work = Workload(**{**defaults, "threads": processors(), **requested})
    with progress() as bar:
        task = bar.add_task("measuring", total=None)
        outcomes = compare_in_rounds(
            checkpoint,
            contenders,
            work,
            rounds=rounds,
            folder=folder or default_folder(),
            pictures=pictures,
            on_progress=lambda done, count, what: bar.update(task, total=count, completed=done, description=what),
        )
    found = to_json(outcomes, work, rounds=rounds, more={"bundle": bundle, "checkpoint": checkpoint, "target": target})
    shown = [name for name in COLUMNS if any(name in side["metrics"] for side in found["sides"])]
    rows = []
    for side in found["sides"]:
        cells = []
        for name in shown:
            spread, ratio = side["metrics"].get(name), side["ratios"].get(name)
            cell = "" if spread is None else COLUMNS[name][1].format(spread["median"])
            cells.append(cell if ratio is None or name not in RATIOS else f"{cell} ({ratio:.2f}x)")
        rows.append((side_title(side), *cells))
    say_table(("", *(COLUMNS[name][0] for name in shown)), rows)
    for side in found["sides"]:
        if side["reason"]:
            say(f"{side_title(side)}: not measured, {side['reason']}")
    for kind, path in files.items():
        if path is None:
            continue
        with atomic_file(path) as part:
            if kind == "plot":
                plot(found, part)
            else:
                text = markdown(found) if kind == "markdown" else json_text(found) + "\n"
                part.write_text(text, encoding="utf-8")
