"""`optimum-cli export latentlink`: `latentlink export` as a command of Optimum, with the same options and `--task`."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import click
from optimum.commands.base import BaseOptimumCLICommand, CommandInfo

from latentlink.cli.commands.export import command
from latentlink.terminal.ending import ending

TASKS = ("text-to-image", "image-to-image", "inpainting")


class ExportLatentLink(BaseOptimumCLICommand):
    """`optimum-cli export latentlink`. Optimum reads its command line with argparse; the options come from the click
    command, which then gets their values as text: defaults and types are defined only there."""

    COMMAND = CommandInfo(name="latentlink", help="Export a latent-diffusion model to typed ONNX components.")

    @staticmethod
    def parse_args(parser: ArgumentParser) -> None:
        """Add the arguments and options of `latentlink export`, and `--task`."""
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                parser.add_argument(*parameter.opts, **_as_argparse(parameter))
            else:
                parser.add_argument(str(parameter.name), metavar=_METAVARS.get(str(parameter.name)))
        parser.add_argument(
            "--task",
            choices=("auto", *TASKS),
            default="auto",
            help="What the model is for; refused where its pipeline is for something else.",
        )

    def run(self) -> None:
        """Export; exits with the status of `latentlink export`."""
        options: list[str] = []
        arguments: list[str] = []
        for parameter in command.params:
            value = getattr(self.args, str(parameter.name))
            if not isinstance(parameter, click.Option):
                arguments.append(value)
            elif parameter.is_flag:
                options += parameter.opts[:1] if value else []
            elif value is not None:
                for item in value if parameter.multiple else [value]:
                    options += [parameter.opts[0], item]
        with ending("optimum-cli"):
            if self.args.task != "auto":
                from latentlink.export.checkpoints.optimum.tasks import check_task

                check_task(Path(arguments[0]), self.args.task)
            command.main(args=[*options, "--", *arguments], standalone_mode=False)


_METAVARS = {"checkpoint": "MODEL", "out": "OUT"}


def _as_argparse(option: click.Option) -> dict[str, Any]:
    """An option's arguments for argparse: its values stay text, and a missing option is None."""
    known: dict[str, Any] = {"dest": option.name, "help": option.help}
    if option.is_flag:
        return known | {"action": "store_true"}
    if isinstance(option.type, click.Choice):
        known["choices"] = tuple(option.type.choices)
    return known | ({"action": "append"} if option.multiple else {})
