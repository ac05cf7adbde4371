"""Options that several commands have."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from latentlink.errors import UsageError

if TYPE_CHECKING:
    from latentlink.options import Option
    from latentlink.spaces import LatentSpace

_F = TypeVar("_F", bound=Callable[..., Any])


def _pairs(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in value:
        component, found, bundle = text.partition("=")
        if not (component and found and bundle):
            raise click.BadParameter(f"{text!r} is not COMPONENT=BUNDLE, such as vae_decoder=other_bundle.")
        pairs[component] = bundle
    return pairs


_UNITS = {"": 1, "b": 1, **{f"{p}b": 1000**n for n, p in enumerate("kmgt", 1)}}
_UNITS |= {f"{p}ib": 1024**n for n, p in enumerate("kmgt", 1)}


def parse_size(text: str) -> int:
    """Bytes of `500MB`, `2GB`, `2GiB` or `1.5 GB`; a number alone is bytes.

    Raises:
        click.BadParameter: It is nothing of the kind.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    count = int(float(found[1]) * _UNITS[found[2]]) if found and found[2] in _UNITS else 0
    if count < 1:
        raise click.BadParameter(f"{text!r} is not a size of memory, such as 500MB, 2GB or 2GiB.")
    return count


def _size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    return None if value is None else parse_size(value)


def parse_interval(text: str) -> tuple[float, float]:
    """`0.28,5.42`, two numbers, the second one perhaps `inf`.

    Raises:
        UsageError: It is not two numbers.
    """
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise UsageError(
            f"{text!r} is not an interval of noise levels; expected LOW,HIGH, such as 0.28,5.42 or 0,5.42 or 0.28,inf."
        ) from None
    return low, high


def parse_conditions(texts: Sequence[str]) -> dict[str, list[float]]:
    """`original_size=1024,1024` as a name and its numbers.

    Raises:
        UsageError: It is nothing of the kind.
    """
    read = {}
    for text in texts:
        name, _, numbers = text.partition("=")
        try:
            read[name] = [float(number) for number in numbers.split(",")]
        except ValueError:
            raise UsageError(f"{text!r} is not a condition; expected NAME=NUMBER,NUMBER.") from None
    return read


PARSERS: Mapping[type, Callable[[str], Any]] = {int: int, float: float, str: str, tuple: parse_interval}
"""How the value of an option of a generation is read from text, by its type."""


def generation_options(names: Iterable[str]) -> Callable[[_F], _F]:
    """The options of these names from the table of `latentlink.options`, as keyword arguments.

    One that was not given is None; a file stays a path.
    """
    from latentlink.options import OPTIONS

    listed = [_click_option(OPTIONS[name]) for name in names]

    def decorate(command: _F) -> _F:
        for option in reversed(listed):
            command = option(command)
        return command

    return decorate


def _click_option(option: Option) -> Callable[[_F], _F]:
    default = option.default_text or option.default
    more: dict[str, Any] = {"help": f"{option.help}{f'  [default: {default}]' if default else ''}"}
    if option.type is Mapping:
        more |= {"multiple": True, "callback": lambda ctx, param, value: parse_conditions(value) or None}
    elif option.type is tuple:
        more["callback"] = lambda ctx, param, value: None if value is None else parse_interval(value)
    elif option.choices:
        more["type"] = click.Choice(option.choices)
    elif option.type in PARSERS:
        more["type"] = option.type
    else:
        more["type"] = click.Path(path_type=Path)
    if option.metavar:
        more["metavar"] = option.metavar
    return click.option(option.switch, option.name, **more)


def renamed_option(old: str, new: str) -> Callable[[_F], _F]:
    """An option that is refused, with the name that it has now."""

    def refuse(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        if value is not None:
            raise click.UsageError(f"{old} is called {new} now.")

    return click.option(old, hidden=True, expose_value=False, callback=refuse)


def _both(*options: Callable[[_F], _F]) -> Callable[[_F], _F]:
    def decorate(command: _F) -> _F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


replace_option = click.option(
    "--replace",
    multiple=True,
    metavar="COMPONENT=BUNDLE",
    callback=_pairs,
    help="Take a component from another bundle; it links only where it fits. May be repeated.",
)
target_option = click.option(
    "--target",
    default="auto",
    show_default=True,
    help="Target to run on; auto takes the first that is valid here.",
)
vae_memory_option = _both(
    click.option(
        "--vae-memory",
        metavar="SIZE",
        callback=_size,
        help="Memory of the VAE for one picture, as 500MB or 2GiB; a larger picture takes several passes, blended.",
    ),
    renamed_option("--memory", "--vae-memory"),
)
engine_memory_option = _both(
    click.option(
        "--engine-memory",
        metavar="SIZE",
        callback=_size,
        help="Maximum total size of the open engines, as 2GB; the least recently used closes first.",
    ),
    renamed_option("--resident", "--engine-memory"),
)
guard_option = click.option(
    "--guard",
    type=click.Choice(["on", "off"]),
    default="on",
    show_default=True,
    help="off also returns latents and pictures that failed a guard: not finite, out of range, flat, noise.",
)
verify_option = click.option(
    "--verify/--no-verify",
    default=None,
    help="Run one golden input through every engine first, or link by symbols alone.  [default: only replaced ones]",
)
space_option = click.option(
    "--space",
    metavar="NAME",
    help="Latent space of a latents file that does not say it: sd, sdxl, ..., or that of a bundle named here.",
)


def named_space(name: str | None, bundles: Sequence[str]) -> LatentSpace | None:
    """The latent space that `--space` names.

    Args:
        name: As given, or None.
        bundles: Names of the command's bundles, whose spaces come before the known ones.

    Returns:
        None where no name was given.

    Raises:
        UsageError: Nothing has that name.
        BundleError: A bundle's manifest is damaged.
    """
    if name is None:
        return None
    from latentlink.engine.bundle import Bundle
    from latentlink.runtime import bundle_path
    from latentlink.spaces import KNOWN_SPACES

    # the files themselves are checked where they are loaded
    manifests = [Bundle.open(bundle_path(bundle), check_files=False).manifest for bundle in bundles]
    spaces = {**KNOWN_SPACES, **{space.name: space for manifest in manifests for space in manifest.spaces}}
    if name not in spaces:
        raise UsageError(f"Unknown latent space {name!r}; expected one of: {', '.join(spaces)}.")
    return spaces[name]
