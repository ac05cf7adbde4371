"""Options that several commands have."""

from __future__ import annotations

import click


def _pairs(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in value:
        component, found, bundle = text.partition("=")
        if not (component and found and bundle):
            raise click.BadParameter(f"{text!r} is not COMPONENT=BUNDLE, such as vae_decoder=other_bundle.")
        pairs[component] = bundle
    return pairs


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
guard_option = click.option(
    "--guard",
    type=click.Choice(["on", "off"]),
    default="on",
    show_default=True,
    help="off also keeps latents and pictures that failed a guard: not finite, out of range, flat, noise.",
)
