"""Make `demo-ft`, demo's VAE with a decoder that was trained further.

python -m latentlink.demo.finetune_decoder OUT

Writes the checkpoint, float16, and `curve.jsonl` to the new folder OUT. Without OUT it is demo/checkpoints/demo-ft,
which must be removed first. Fixed seed; about 5 minutes.
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
    from latentlink.demo.training.finetuned import write_finetuned

    write_finetuned(out or checkpoint("demo-ft"))


if __name__ == "__main__":
    run_command(main)
