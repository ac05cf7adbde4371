"""The command line. One file per command; each is imported when it is called."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

import latentlink
from latentlink.errors import LatentLinkError
from latentlink.terminal.ending import ending
from latentlink.terminal.flags import in_flags

COMMANDS: Mapping[str, str] = {
    "export": "Export a checkpoint to typed ONNX components.",
    "build": "Build an export into a bundle of engines.",
    "calibrate": "Measure a model on its own generations: ranges for the guards, quality, int8 and fp8 scales.",
    "inspect": "Show a bundle, an export, an engine, latents, or how a picture was made.",
    "verify": "Run every engine on its golden inputs, and check whether another decoder fits.",
    "generate": "Generate pictures from prompts.",
    "grid": "Compare settings: prompts, seeds, samplers, steps, ... in rows and columns, as one labelled picture.",
    "encode": "Encode pictures to latents.",
    "decode": "Decode latents to pictures.",
    "transfer": "Move latents from one model's latent space to another's.",
    "chain": "Run several models in a row, each refining the picture of the one before it.",
    "compat": "Decode every denoiser's latents with every decoder, as one sheet of pictures.",
    "bench": "Measure start-up, seconds by stage and memory.",
}
"""Commands and their summaries; each has a module of its name beside this file, with a `command`."""


class _Commands(click.Group):
    """Lists the commands from the table, so that `--help` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"latentlink.cli.commands.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and (near := get_close_matches(args[0], COMMANDS, 1)):
            ctx.fail(f"There is no command {args[0]!r}. Did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LatentLinkError as error:
            if ctx.invoked_subcommand and (command := self.get_command(ctx, ctx.invoked_subcommand)):
                error.args = (in_flags(str(error), command.params),)
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(latentlink.__version__, prog_name="latentlink")
def group() -> None:
    """Deploy latent-diffusion models as typed engines that only link if their latent spaces are the same.

    \b
    latentlink generate demo "a red circle on a blue background" -o out.png
    latentlink export CHECKPOINT EXPORTED
    latentlink build EXPORTED BUNDLE
    latentlink generate BUNDLE "a lighthouse at dusk" -o out.png --seed 7

    Exit status: 0 done, 1 failure of the machine (disk full, out of memory), 2 wrong usage, 3 link refused, 4 bundle
    damaged, 5 engine not valid on this machine, 6 output failed a guard, 130 interrupted.
    """


def main() -> None:
    """Run the command line, and exit with the status of the error, if any."""
    with ending():
        status = group.main(standalone_mode=False)
    sys.exit(status if isinstance(status, int) else 0)
