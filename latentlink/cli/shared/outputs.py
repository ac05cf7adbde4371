"""Options that name a file to write: checked before the work; `-` is standard output."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, TypeVar

import click

from latentlink.errors import UsageError
from latentlink.files import is_stream, open_stream

_F = TypeVar("_F", bound=Callable[..., Any])

STANDARD_OUTPUT = Path("/dev/stdout")


def output_file(*names: str, help: str, required: bool = False) -> Callable[[_F], _F]:
    """An option that names a file to write. If that is standard output, the command prints on standard error."""
    return click.option(*names, type=click.Path(path_type=Path), callback=_writable, required=required, help=help)


def output_option(*, required: bool = False) -> Callable[[_F], _F]:
    """`-o`, the picture to write."""
    help = "Picture file to write, such as out.png; - is standard output, as PNG, and messages go to standard error."
    return output_file("-o", "--output", required=required, help=help)


def latents_output(*names: str, required: bool = False) -> Callable[[_F], _F]:
    """An option that names the latents file to write."""

    def named(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
        output = _writable(ctx, param, value)
        if output is not None and output.suffix != ".safetensors" and not is_stream(output):
            raise UsageError(f"{str(output)!r} is no name of a latents file; expected one that ends in .safetensors.")
        return output

    help = "Latents file (.safetensors) to write the latents and their space to; - is standard output."
    return click.option(*names, type=click.Path(path_type=Path), callback=named, required=required, help=help)


def check_place(output: Path) -> None:
    """Check before the work that a file can be written there.

    Raises:
        UsageError: Its folder is missing, or it is a folder itself, lies in a bundle, or is a pipe that nobody reads.
    """
    from latentlink.engine.bundle import check_outside

    if not output.parent.is_dir():
        raise UsageError(f"There is no directory {str(output.parent)!r} to write {output.name} to.")
    if output.is_dir():
        raise UsageError(f"{str(output)!r} is a folder; expected the name of a file to write.")
    check_outside(output)
    if output.is_fifo():
        open_stream(output).close()


def check_several(output: Path, why: str) -> None:
    """Check that files can be written beside an output.

    Args:
        output: The output.
        why: What asks for several, as the message begins: `--preview-every`.

    Raises:
        UsageError: It is a device, pipe or standard output.
    """
    if is_stream(output):
        raise UsageError(f"{why} writes several files, but {str(output)!r} takes one; expected the name of a file.")


def _writable(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    if value is None:
        return None
    if str(value) == "-":
        value = STANDARD_OUTPUT
    check_place(value)
    if is_stream(value) and value.samefile(STANDARD_OUTPUT):
        if (other := ctx.meta.setdefault(__name__, param.opts[-1])) != param.opts[-1]:
            raise UsageError(f"{other} and {param.opts[-1]} are both standard output; expected a file for one of them.")
        ctx.with_resource(redirect_stdout(sys.stderr))
    return value
