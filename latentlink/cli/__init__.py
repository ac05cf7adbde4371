"""The command line. One file a command; each is imported when it is called."""

from __future__ import annotations

import errno
import sys
from collections.abc import Mapping
from importlib import import_module

import click

import latentlink
from latentlink.errors import ExitStatus, LatentLinkError

COMMANDS: Mapping[str, str] = {
    "export": "A checkpoint to typed ONNX components.",
    "build": "An export to a bundle of engines.",
    "calibrate": "Latents of real generations to the ranges that the guards compare with.",
    "inspect": "Ports, spaces and engines of a bundle, or the space of a latents file.",
    "verify": "Every engine on its golden inputs; whether another decoder fits.",
    "generate": "A prompt to a picture.",
    "transfer": "Latents of one model to latents of another.",
    "chain": "Several models in a row, each refining what the one before it drew.",
    "compat": "Every denoiser's latents through every decoder, as a picture.",
    "bench": "Seconds by stage, start-up and memory.",
}
"""Each has a module of its name beside this file, with a `command`."""


class _Commands(click.Group):
    """Lists the commands from the table, so that `--help` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"latentlink.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(latentlink.__version__, prog_name="latentlink")
def group() -> None:
    """Deploy latent-diffusion models: typed engines that only bind where the latent space is the same.

    \b
    latentlink generate demo "a red circle on a blue background" -o out.png
    latentlink export CHECKPOINT EXPORTED
    latentlink build EXPORTED BUNDLE
    latentlink generate BUNDLE "a lighthouse at dusk" -o out.png --seed 7

    Exit status: 0 done, 1 the machine failed (disk full, no memory), 2 usage, 3 link refused, 4 bundle damaged,
    5 engine not valid on this machine, 6 output failed a guard, 130 interrupted.
    """


def main() -> None:
    """Run the command line, and end with the status that the error table gives."""
    try:
        status = group.main(standalone_mode=False)
    except click.exceptions.Abort:
        _end("Interrupted. Nothing was written.", ExitStatus.INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(ExitStatus.USAGE)
    except KeyboardInterrupt:
        _end("Interrupted. Nothing was written.", ExitStatus.INTERRUPTED)
    except LatentLinkError as error:
        _end(str(error), error.status)
    except ModuleNotFoundError as error:
        extra = {"torch", "diffusers", "transformers", "onnx", "onnx_ir", "onnxscript", "optimum"}
        if error.name is None or error.name.split(".")[0] not in extra:
            raise
        _end(
            f"This command needs {error.name}. Install it: pip install 'latentlink[export]'.",
            ExitStatus.USAGE,
        )
    except OSError as error:
        if error.errno == errno.ENOSPC:
            _end(f"The disk is full ({error.filename or 'while writing'}). Free some space; nothing was written.")
        if error.errno is None:
            raise
        _end(f"{error.strerror}: {error.filename}." if error.filename else f"{error.strerror}.")
    except MemoryError as error:
        said = " ".join(str(error).split()).rstrip(".") or "Out of memory"
        _end(f"{said}. Take a smaller size or batch.")
    else:
        sys.exit(status if isinstance(status, int) else 0)


def _end(message: str, status: ExitStatus = ExitStatus.FAILED) -> None:
    click.echo(f"latentlink: {message}", err=True)
    sys.exit(status)
