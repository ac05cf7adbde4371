"""The captions for calibrating a demo bundle, one per line on standard output.

python -m latentlink.demo.prompts > prompts.txt

They are captions that training saw, none of them held out, so that measurements with held-out captions are honest.
"""

from __future__ import annotations

import hashlib

import click

from latentlink.demo.grammar import scenes
from latentlink.terminal.module import command, run_command


def calibration_prompts() -> tuple[str, ...]:
    """Every caption that is not held out, in a fixed mixed order, so that the first few are a mixture."""
    captions = [scene.caption for scene in scenes() if not scene.held_out]
    return tuple(sorted(captions, key=lambda caption: hashlib.sha256(b"calibration " + caption.encode()).digest()))


@command(__doc__)
def main() -> None:
    """Print them."""
    click.echo("\n".join(calibration_prompts()))


if __name__ == "__main__":
    run_command(main)
