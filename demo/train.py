"""Train a demo model's checkpoint from scratch.

python -m latentlink.demo.train demo OUT
python -m latentlink.demo.train demo-b OUT

Writes the diffusers checkpoint, float16, and `curve.jsonl` to the new folder OUT. Without OUT it is the model's own
folder in demo/checkpoints, which must be removed first. Fixed seeds; about 30 minutes.
"""

from __future__ import annotations

from pathlib import Path

import click

from latentlink.demo import NAMES, checkpoint
from latentlink.terminal.module import NewFolder, command, run_command


@command(__doc__)
@click.argument("name", type=click.Choice(NAMES))
@click.argument("out", type=NewFolder(), required=False)
def main(name: str, out: Path | None) -> None:
    """Train and write."""
    from latentlink.demo.training.checkpoint import train

    train(name, out or checkpoint(name))


if __name__ == "__main__":
    run_command(main)
