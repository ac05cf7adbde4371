"""`latentlink compat`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from latentlink.cli.shared.console import decisions_json, print_skipped
from latentlink.cli.shared.options import SEED, STEPS
from latentlink.cli.shared.outputs import output_option
from latentlink.cli.shared.words import admissions
from latentlink.terminal.printing import say, say_json, say_table
from latentlink.terminal.progress import progress

if TYPE_CHECKING:
    from latentlink.bench.sheets.compat import Pairing
    from latentlink.runtime import Decision


@click.command(
    epilog="""\b
Examples:
  latentlink compat demo demo-b -o sheet.png
  latentlink compat demo demo-tiny demo-b -o sheet.png --prompt "a green star on a white background" --json
"""
)
@click.argument("bundles", nargs=-1, required=True)
@output_option(required=True)
@click.option(
    "--prompt",
    "prompts",
    multiple=True,
    default=["a red circle on a blue background"],
    show_default=True,
    help="What to draw with every denoiser. May be repeated.",
)
@click.option("--seed", type=SEED, default=0, show_default=True, help="Seed of every picture.")
@click.option("--steps", type=STEPS, help="Denoising steps.  [default: each bundle's]")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    bundles: tuple[str, ...], output: Path, prompts: tuple[str, ...], seed: int, steps: int | None, as_json: bool
) -> None:
    """Decode the latents of every denoiser of BUNDLES with every decoder, directly and by transfer.

    The sheet shows the pictures with their PSNR against the right one. Only for this sheet, pairs that the linker
    refuses are decoded nevertheless. A bundle with only a VAE is used as a decoder.
    """
    from latentlink.bench.sheets.compat import matrix, sheet
    from latentlink.runtime.loading import decide
    from latentlink.runtime.picture_files import check_picture, save_pictures

    check_picture(output)
    names = tuple(dict.fromkeys(bundles))
    pairings: list[Pairing] = []
    engines: dict[str, Sequence[Decision]] = {}
    with progress() as bar:
        task = bar.add_task("opening the bundles", total=len(names) ** 2 * len(prompts))
        for pairing in matrix(names, prompts, seed=seed, steps=steps, on_open=engines.__setitem__):
            pairings.append(pairing)
            bar.update(task, advance=1, description=f"{pairing.denoiser} through {pairing.decoder}")
    save_pictures([sheet(pairings)], output)
    engines |= {name: decide(name) for name in names if name not in engines}  # decoders alone
    if as_json:
        record = {
            "sheet": str(output),
            "pairings": [pairing.to_json() for pairing in pairings],
            "engines": {k: decisions_json(v) for k, v in engines.items()},
        }
        say_json(record)
        return
    _print(pairings)
    say(f"{output}: {len(pairings)} pairings.")
    print_skipped(engines)


def _print(pairings: list[Pairing]) -> None:
    rows = []
    for pairing in pairings:
        direct, moved = (
            "" if number is None else "equal" if number == float("inf") else f"{number:.1f} dB"
            for number in (pairing.direct_psnr, pairing.transfer_psnr)
        )
        rows.append((pairing.denoiser, pairing.decoder, pairing.verdict, direct, moved))
    say_table(("denoiser", "decoder", "verdict", "directly", "by transfer"), rows)
    accepted = [pairing.decoder_decision for pairing in pairings if pairing.decoder_decision is not None]
    for reason in dict.fromkeys([*(pairing.reason for pairing in pairings if pairing.reason), *admissions(accepted)]):
        say(reason)
