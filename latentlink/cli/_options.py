"""Options that several commands have."""

from __future__ import annotations

import re

import click


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
    callback=lambda ctx, param, value: None if value is None else parse_size(value),
    help="What the VAE may take for a picture, as 500MB or 2GiB; a larger one is done in several passes, blended.",
)
