"""Options that several commands have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from latentlink.errors import UsageError

if TYPE_CHECKING:
    from latentlink.spaces import LatentSpace


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


def _interval(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[float, float] | None:
    return None if value is None else parse_interval(value)


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
memory_option = click.option(
    "--memory",
    metavar="SIZE",
    callback=_size,
    help="What the VAE may take for a picture, as 500MB or 2GiB; a larger one is done in several passes, blended.",
)
resident_option = click.option(
    "--resident",
    metavar="SIZE",
    callback=_size,
    help="What the engines that are open at once may have together, as 2GB; others are closed until they run.",
)
interval_option = click.option(
    "--guidance-interval",
    metavar="LOW,HIGH",
    callback=_interval,
    help="Noise levels (noise over signal) between which guidance is applied, as 0.28,5.42; other steps cost half.",
)
step_cache_option = click.option(
    "--step-cache",
    type=click.IntRange(1, 1000),
    metavar="N",
    help="Run the whole denoiser on every N-th step and a shallow one between; 1 is the whole one always.",
)
guard_option = click.option(
    "--guard",
    type=click.Choice(["on", "off"]),
    default="on",
    show_default=True,
    help="off also keeps latents and pictures that failed a guard: not finite, out of range, flat, noise.",
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
