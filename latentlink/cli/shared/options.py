"""Options that several commands share."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args

import click

from latentlink.checks import shown
from latentlink.errors import UsageError
from latentlink.options import MAX_SIDE, MAX_STEPS, MAX_THREADS, OnOff

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
    """Read `500MB`, `2GB`, `2GiB` or `1.5 GB` as a number of bytes; a number without a unit is bytes.

    Raises:
        click.BadParameter: The text is not a size.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    count = int(Decimal(found[1]) * _UNITS[found[2]]) if found and found[2] in _UNITS else 0
    if not 1 <= count < 1 << 63:
        raise click.BadParameter(f"{text!r} is not a size of memory, such as 500MB, 2GB or 2GiB.")
    return count


def _size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    return None if value is None else parse_size(value)


def parse_interval(text: str) -> tuple[float, float]:
    """Read `0.28,5.42` as two numbers; the second one may be `inf`.

    Raises:
        UsageError: The text is not two numbers.
    """
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise UsageError(
            f"{text!r} is not an interval of noise levels; expected LOW,HIGH, such as 0.28,5.42 or 0,5.42 or 0.28,inf."
        ) from None
    return low, high


def parse_conditions(texts: Sequence[str]) -> dict[str, list[float]]:
    """Read `original_size=1024,1024` as a name and its numbers.

    Raises:
        UsageError: A text is not a condition.
    """
    read = {}
    for text in texts:
        name, _, numbers = text.partition("=")
        try:
            read[name] = [float(number) for number in numbers.split(",")]
        except ValueError:
            raise UsageError(f"{text!r} is not a condition; expected NAME=NUMBER,NUMBER.") from None
    return read


class Number(click.ParamType[float]):
    """A finite number in a range, refused in the words of the API.

    Args:
        kind: int or float.
        least: Least value.
        most: Largest value.
        expected: The range in words; by default from `least` and `most`.
    """

    def __init__(self, kind: type[int] | type[float], least: float, most: float, expected: str = "") -> None:
        self.name = "integer" if kind is int else "float"
        self.kind, self.least, self.most = kind, least, most
        self.expected = expected or (f"a whole number from {least} to {most}" if kind is int else "a number")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = self.kind(value)
        except ValueError:
            raise self._wrong(value, param) from None
        if not (self.least <= number <= self.most and math.isfinite(number)):
            raise self._wrong(number, param)
        return number

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        """The range, where it is short: `1..1000`."""
        short = abs(self.least) < 1e6 and abs(self.most) < 1e6
        return f"{self.least:g}..{self.most:g}" if short else None

    def _wrong(self, value: object, param: click.Parameter | None) -> UsageError:
        name = param.opts[-1] if param is not None else "The number"
        return UsageError(f"{name} is {shown(value)}; expected {self.expected}.")


STEPS = Number(int, 1, MAX_STEPS)
SEED = Number(int, -(2**63), 2**64 - 1)
SIDE = Number(int, 1, MAX_SIDE)

PARSERS: Mapping[type, Callable[[str], Any]] = {int: int, float: float, str: str, tuple: parse_interval}
"""Parsers of a generation option's value, by its type."""


def generation_options(names: Iterable[str], *, repeated: bool = False) -> Callable[[_F], _F]:
    """Add the options of these names from the table of `latentlink.options` to a command, as keyword arguments.

    An option that is not given is None; a file stays a path.

    Args:
        names: Names of the options.
        repeated: Whether each may be given several times: its value is a tuple, empty if it is not given.
    """
    from latentlink.options import OPTIONS

    listed = [_click_option(OPTIONS[name], repeated) for name in names]

    def decorate(command: _F) -> _F:
        for option in reversed(listed):
            command = option(command)
        return command

    return decorate


def _click_option(option: Option, repeated: bool) -> Callable[[_F], _F]:
    default = option.default_text or option.default
    parts = [option.help]
    if option.example:
        parts.append(f"For instance: {option.example}.")
    if option.type is Mapping or repeated:
        parts.append("May be repeated.")
    if default:
        parts.append(f" [default: {default}]")
    more: dict[str, Any] = {"help": " ".join(parts), "multiple": repeated}
    if option.type is Mapping:
        more |= {"multiple": True, "callback": lambda ctx, param, value: parse_conditions(value) or None}
    elif option.type is tuple and repeated:
        more["callback"] = lambda ctx, param, value: tuple(map(parse_interval, value))
    elif option.type is tuple:
        more["callback"] = lambda ctx, param, value: None if value is None else parse_interval(value)
    elif option.type is bool:
        more |= {"is_flag": True, "default": None}
    elif option.choices:
        more["type"] = click.Choice(option.choices)
    elif option.name == "seed":
        more["type"] = SEED
    elif option.type in (int, float):
        more["type"] = Number(option.type, option.least, option.most, option.expected)
    elif option.type in PARSERS:
        more["type"] = option.type
    else:
        more["type"] = click.Path(path_type=Path)
    if option.metavar:
        more["metavar"] = option.metavar
    return click.option(option.switch, option.name, **more)


def renamed_option(old: str, new: str) -> Callable[[_F], _F]:
    """A hidden option under an old name, which is refused with its new name."""

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


threads_option = click.option(
    "--threads", type=click.IntRange(1, MAX_THREADS), help="Threads for one run.  [default: all processors]"
)
replace_option = click.option(
    "--replace",
    multiple=True,
    metavar="COMPONENT=BUNDLE",
    callback=_pairs,
    help="Use a component of another bundle, if it fits. May be repeated.",
)
target_option = click.option(
    "--target",
    default="auto",
    show_default=True,
    help="Target to run on, such as ort-cpu; auto uses the first engine of each component that is valid here.",
)
vae_memory_option = _both(
    click.option(
        "--vae-memory",
        metavar="SIZE",
        callback=_size,
        help="Maximum memory of the VAE for one picture, such as 500MB or 2GiB; a larger picture is processed in "
        "several passes and blended.  [default: no limit]",
    ),
    renamed_option("--memory", "--vae-memory"),
)
engine_memory_option = _both(
    click.option(
        "--engine-memory",
        metavar="SIZE",
        callback=_size,
        help="Maximum total size of the open engines, such as 2GB; the least recently used closes first.  [default: no "
        "limit]",
    ),
    renamed_option("--resident", "--engine-memory"),
)
guard_option = click.option(
    "--guard",
    type=click.Choice(get_args(OnOff)),
    default="on",
    show_default=True,
    help="on checks latents and pictures (docs/guards.md); off also returns those that are not finite, out of range, "
    "flat or noise.",
)
verify_option = click.option(
    "--verify/--no-verify",
    default=None,
    help="Run every engine on its golden inputs now, or on none and link by symbols alone.  [default: once for each "
    "bundle on this machine]",
)
OPENING = {
    "replace": replace_option,
    "target": target_option,
    "verify": verify_option,
    "threads": threads_option,
    "vae_memory": vae_memory_option,
    "engine_memory": engine_memory_option,
}
"""The options of `load`, by name."""


def opening_options(command: _F) -> _F:
    """Add the options of `load` to a command, which gets them as one mapping: `load(bundle, **opening)`."""

    @wraps(command)
    def call(**options: Any) -> Any:
        return command(opening={name: options.pop(name) for name in OPENING}, **options)

    for option in reversed(OPENING.values()):
        call = option(call)
    return cast(_F, call)


space_option = click.option(
    "--space",
    metavar="NAME",
    help="Latent space of a latents file that does not record it: sd, sdxl, ..., or that of one of the bundles.",
)


def named_space(name: str | None, bundles: Sequence[str]) -> LatentSpace | None:
    """The latent space that `--space` names.

    Args:
        name: The option's value, or None.
        bundles: Names of the command's bundles, whose spaces take precedence over the known ones.

    Returns:
        The space; None if no name was given.

    Raises:
        UsageError: No space has this name.
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
