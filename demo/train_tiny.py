"""Make `demo-tiny`, an AutoencoderTiny distilled from demo's VAE.

python -m latentlink.demo.train_tiny OUT

Writes the checkpoint, float16, and `curve.jsonl` to the new folder OUT. Without OUT it is demo/checkpoints/demo-tiny,
which must be removed first. Fixed seed; about 20 minutes.
"""

from __future__ import annotations

from pathlib import Path

import click

from latentlink.demo import checkpoint
from latentlink.terminal.module import NewFolder, command, run_command


@command(__doc__)
@click.argument("out", type=NewFolder(), required=False)
def main(out: Path | None) -> None:
    """Train and write."""
    from latentlink.demo.training.tiny import write_tiny

    write_tiny(out or checkpoint("demo-tiny"))


if __name__ == "__main__":
    run_command(main)
