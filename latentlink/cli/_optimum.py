"""`optimum-cli export latentlink`: `latentlink export` as a command of Optimum, with the same options and `--task`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import click
from optimum.commands.base import BaseOptimumCLICommand, CommandInfo

from latentlink.cli.export import command
from latentlink.errors import LatentLinkError

TASKS = ("text-to-image", "image-to-image", "inpainting")


class ExportLatentLink(BaseOptimumCLICommand):
    """Reads the command line with argparse, as Optimum does, and calls the click command's function."""

    COMMAND = CommandInfo(name="latentlink", help="Export a latent-diffusion model to typed ONNX components.")

    @staticmethod
    def parse_args(parser: ArgumentParser) -> None:
        """Add the arguments and options of `latentlink export`, and `--task`."""
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                parser.add_argument(*parameter.opts, **_as_argparse(parameter))
            else:
                name = str(parameter.name)
                parser.add_argument(name, metavar=_ARGUMENTS.get(name, name.upper()), type=Path)
        parser.add_argument(
            "--task",
            choices=("auto", *TASKS),
            default="auto",
            help="What the model is for; refused where its pipeline is for something else. The components are the same.",
        )

    def run(self) -> None:
        """Export; ends with the status that `latentlink export` would end with."""
        values = {str(parameter.name): getattr(self.args, str(parameter.name)) for parameter in command.params}
        try:
            if self.args.task != "auto":
                from latentlink.export.optimum_tasks import check_task

                check_task(values["checkpoint"], self.args.task)
            if command.callback is not None:
                command.callback(**values)
        except LatentLinkError as error:
            click.echo(f"optimum-cli: {error}", err=True)
            sys.exit(error.status)


_ARGUMENTS = {"checkpoint": "MODEL"}


def _as_argparse(option: click.Option) -> dict[str, Any]:
    """What argparse needs to know of an option."""
    if option.is_flag:
        return {"dest": option.name, "action": "store_true", "help": option.help}
    kind = option.type
    described: dict[str, Any] = {"dest": option.name, "help": option.help}
    if isinstance(kind, click.Choice):
        described["choices"] = tuple(kind.choices)
    elif isinstance(kind, click.Path):
        described["type"] = Path
    elif isinstance(kind, click.types.IntParamType):
        described["type"] = int
    if option.multiple:
        return described | {"action": "append", "default": []}
    default = option.get_default(click.Context(command))
    return described | {"default": default}
