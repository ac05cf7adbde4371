"""`latentlink grid`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from latentlink.bundle_names import names_bundle
from latentlink.cli.shared.console import decisions_json, print_skipped
from latentlink.cli.shared.options import (
    PARSERS,
    SEED,
    Number,
    generation_options,
    opening_options,
)
from latentlink.cli.shared.order import check_order
from latentlink.cli.shared.outputs import check_place, output_option
from latentlink.cli.shared.words import admissions, notices
from latentlink.errors import ExitStatus, UsageError
from latentlink.options import DenoisingOptions, table
from latentlink.terminal.printing import say, say_json
from latentlink.terminal.progress import progress

if TYPE_CHECKING:
    from latentlink.bench.sheets.axes import Axes
    from latentlink.bench.sheets.settings import Drawn

PARTIAL = ("denoising_start", "denoising_end")
"""Options of runs that start or end half way, which make no picture to compare."""

VARIED = [
    name for name, one in table(DenoisingOptions).items() if one.type in PARSERS and name not in (*PARTIAL, "seed")
]
"""Options that may be axes."""

SHARED = ("init_image", "mask_image", "conditions", "noise", "guard")
"""Options that all pictures have in common."""

LEAST_SIDE, MOST_SIDE = 32, 4096


@click.command(
    epilog="""\b
Examples:
  latentlink grid demo "a red circle on a blue background" -o grid.png --seed 1 --seed 2 --seed 3
  latentlink grid demo "a red circle on a blue background" "a green star on a white background" -o grid.png --seed 1 \
    --seed 2 --sampler euler --sampler dpmpp_2m
  latentlink grid demo "a red circle on a blue background" -o grid.png --guidance 1 --guidance 4 --steps 5 --steps 20
  latentlink grid demo "a red circle on a blue background" -o grid.png --also demo-b --seed 1 --seed 2
  latentlink grid bundle "a lighthouse" -o grid.png --init-image day.png --strength 0.3 --strength 0.6 --cells pictures
"""
)
@click.argument("bundle")
@click.argument("prompt", nargs=-1, required=True)
@output_option(required=True)
@click.option("--also", metavar="BUNDLE", multiple=True, help="Draw with this bundle too. May be repeated.")
@click.option(
    "--seed", type=SEED, multiple=True, help="Seed of the noise. May be repeated.  [default: a random one for all]"
)
@generation_options(VARIED, repeated=True)
@generation_options(SHARED)
@click.option(
    "--side",
    type=Number(int, LEAST_SIDE, MOST_SIDE),
    help="Longer side of every picture in the sheet, in pixels.  [default: their own, at least 128, or what fits]",
)
@click.option("--cells", type=click.Path(path_type=Path), help="Folder to write every picture to, in its own size.")
@opening_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    bundle: str,
    prompt: tuple[str, ...],
    output: Path,
    side: int | None,
    cells: Path | None,
    opening: Mapping[str, Any],
    as_json: bool,
    **options: Any,
) -> int:
    """Draw every PROMPT with BUNDLE and every combination of settings, as one labelled picture.

    Settings that are given several times are its axes, at most three: of three, the first is drawn as blocks, the
    second as rows and the third as columns; of two, the first as rows. Several prompts come first, then the options as
    they follow on the command line. All else is equal in all pictures, also the seed.

    Where a guard refuses a picture, the sheet says so in its place, and the exit status is 6.
    """
    import latentlink
    from latentlink.bench.sheets.axes import Axes, titled
    from latentlink.bench.sheets.settings import draw, plan, sheet
    from latentlink.runtime.picture_files import check_picture, read_picture, save_pictures
    from latentlink.runtime.request import seeds

    check_order(
        bundle,
        prompt,
        fits=names_bundle,
        what="a bundle",
        order="the bundle comes before the prompt",
        usage="latentlink grid BUNDLE PROMPT -o grid.png",
    )
    check_picture(output)
    if cells is not None:
        _check_folder(cells)
        if cells.resolve() == output.resolve():
            raise UsageError(f"{str(cells)!r} is the sheet and the folder of its pictures; expected two names.")
    shared = {name: value for name in SHARED if (value := options.pop(name)) is not None}
    for name in ("init_image", "mask_image"):
        if name in shared:
            shared[name] = read_picture(shared[name])
    # click hands over the options in their order on the command line
    settings: dict[str, Sequence[Any]] = {"prompt": prompt}
    settings |= {"bundle" if name == "also" else name: values for name, values in options.items() if values}
    settings["bundle"] = (bundle, *settings.get("bundle", ()))
    settings["seed"] = [seeds(one, 1)[0] for one in settings.get("seed", (None,))]
    axes = Axes.of(settings)
    if side is not None and side > axes.most_side:
        raise UsageError(f"--side is {side}; expected at most {axes.most_side} for a sheet of {axes.count} pictures.")
    found: list[Drawn] = []
    files: dict[int, Path] = {}
    said: dict[str, None] = {}
    with progress() as bar, ExitStack() as stack:
        task = bar.add_task("opening the bundles", total=axes.count)
        pipes = {
            name: stack.enter_context(latentlink.load(name, **opening)) for name in dict.fromkeys(settings["bundle"])
        }
        bar.update(task, description="encoding the prompts")
        batches = plan(pipes, axes, shared)
        for drawn in draw(batches, on_progress=lambda done: bar.update(task, completed=done, description="drawing")):
            if drawn.result is not None:
                said.update(dict.fromkeys(notices(drawn.result)))
            if drawn.picture is not None and cells is not None:
                words = f"{drawn.number + 1:02} {titled(axes.at(drawn.number))}"
                files[drawn.number] = _save(drawn, cells, words)
            found.append(drawn.reduced(side or axes.most_side))
    found.sort(key=lambda drawn: drawn.number)
    made = sheet(axes, found, side=side)
    save_pictures([made], output)
    engines = {name: pipe.decisions for name, pipe in pipes.items()}
    faults = [drawn for drawn in found if drawn.fault is not None]
    if as_json:
        say_json(
            {
                "sheet": str(output),
                "axes": {axis.name: axis.values for axis in axes.varied},
                "cells": [_record(drawn, axes, files.get(drawn.number)) for drawn in found],
                "engines": {name: decisions_json(decisions) for name, decisions in engines.items()},
            }
        )
    else:
        seconds = sum(drawn.seconds for drawn in found)
        count = f"{axes.count} {'picture' if axes.count == 1 else 'pictures'}"
        say(f"{output}: {count}, {made.width}x{made.height}, {seconds:.2f} s.")
        for drawn in faults:
            say(f"{titled(axes.at(drawn.number))}: {drawn.fault}")
        print_skipped(engines)
        for line in (*admissions([one for listed in engines.values() for one in listed]), *said):
            say(line)
    return ExitStatus.OUTPUT_FAILED_GUARD if faults else ExitStatus.DONE


def _record(drawn: Drawn, axes: Axes, file: Path | None) -> dict[str, Any]:
    return {
        "settings": axes.at(drawn.number),
        "request": None if drawn.record is None else drawn.record.to_json(),
        "fault": drawn.fault,
        "seconds": round(drawn.seconds, 4),
        "file": None if file is None else str(file),
    }


def _check_folder(folder: Path) -> None:
    """Check that pictures can be written to a folder, which is made if there is none.

    Raises:
        UsageError: It is something else, or its parent is missing, or it lies in a bundle.
    """
    if folder.is_dir():
        check_place(folder / "x.png")
    elif folder.exists():
        raise UsageError(f"{str(folder)!r} is a file; expected a folder for the pictures.")
    else:
        check_place(folder)


def _save(drawn: Drawn, folder: Path, words: str) -> Path:
    """Write one picture under its place and settings, `03-euler-seed-7.png`; it says how it was made."""
    from latentlink.runtime.picture_files import save_pictures

    name = re.sub(r"[^a-z0-9.]+", "-", words.lower())[:80].strip("-.")
    images, records = [one for one in (drawn.picture,) if one], [one for one in (drawn.record,) if one]
    (file,) = save_pictures(images, folder / f"{name}.png", records=records)
    return file
