"""Messages that name an argument of Python name it as an option of the command line instead."""

from __future__ import annotations

import re
from collections.abc import Sequence

import click

_PARTS = re.compile(r"(vae|text_encoder|tokenizer)(_\d|_decoder|_encoder)?")
"""Options with the names of a model's parts: messages speak of the parts."""


def in_flags(message: str, parameters: Sequence[click.Parameter]) -> str:
    """Replace the arguments that a message names by the options of a command: `init_image` by `--init-image`.

    A name of several words is replaced wherever it stands, outside of quotes, other names and lists of choices. One of
    a single word is an English word too: it is replaced where the message begins with it, before its value, as
    `seed=7`, and in "Leave seed out".

    Args:
        message: A message that speaks of arguments.
        parameters: The command's parameters; names that are none of its options stay.
    """
    named = {str(one.name): one for one in parameters if isinstance(one, click.Option)}
    options = {name: one for name, one in named.items() if not _PARTS.fullmatch(name)}
    names = "|".join(sorted(options, key=len, reverse=True))
    if not names:
        return message
    pattern = rf"(?<![\w'\"=.+-])(?P<name>{names})(?P<value>=\"?\w+\"?)?(?![\w'\"(]|[.-]\w)"
    return re.sub(pattern, lambda found: _as_option(found, options[found["name"]]), message)


def _as_option(found: re.Match[str], option: click.Option) -> str:
    before, after = found.string[: found.start()], found.string[found.end() :]
    value = (found["value"] or "").strip('="')
    begins = before.endswith(("Received ", "eave ", " as ")) or after.startswith(" '")
    begins = begins or (not before and re.match(r" (is|has|holds|needs|\S*\d)", after) is not None)
    in_a_list = before.endswith((": ", ", "))
    if not value and (in_a_list or ("_" not in found["name"] and not begins)):
        return found[0]
    if option.is_flag:
        return (option.secondary_opts if value == "False" else option.opts)[0]
    return f"{option.opts[-1]} {value}".rstrip()
