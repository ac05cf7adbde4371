"""`latentlink transfer`."""

from __future__ import annotations

from pathlib import Path

import click

from latentlink.cli._console import console, messages, print_json
from latentlink.cli._options import memory_option


@click.command(
    epilog="""\b
Example:
  latentlink generate demo "a red circle on a blue background" -o a.png --output-latents a.safetensors
  latentlink transfer a.safetensors --from demo --to demo-b -o b.safetensors
"""
)
@click.argument("latents", type=click.Path(path_type=Path))
@click.option("--from", "source", required=True, help="Bundle that decodes them.")
@click.option("--to", "destination", required=True, help="Bundle that encodes the pictures.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Latents file to write.")
@memory_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(latents: Path, source: str, destination: str, output: Path, memory: int | None, as_json: bool) -> None:
    """Move LATENTS from one model's latent space to another's: decode, then encode again."""
    import latentlink

    with messages.status("decoding and encoding"):
        read = latentlink.Latents.load(latents)
        with latentlink.load(source, memory=memory) as first, latentlink.load(destination, memory=memory) as second:
            moved = latentlink.transfer(read, source=first, destination=second)
        moved.latents.save(output)
    if as_json:
        psnr = None if moved.psnr == float("inf") else round(moved.psnr, 2)
        print_json({"output": str(output), "symbol": moved.latents.symbol, "round_trip_psnr": psnr})
        return
    loss = "the spaces are the same" if moved.psnr == float("inf") else f"round trip {moved.psnr:.1f} dB"
    console.print(f"{output}: {moved.latents.symbol}, {loss}.")
