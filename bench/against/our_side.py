"""A side of ours as it is asked for: a bundle, the target it runs on, and how its pictures are generated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from latentlink.engine.targets import TARGETS
from latentlink.errors import UsageError

SETTINGS: Mapping[str, str] = {"step_cache": "step cache {}"}
"""Arguments of `Pipeline.generate` that a side of ours may have of its own, each a whole number of at least 1, and how
tables call them."""

FORM = f"BUNDLE[@TARGET]{''.join(f'[+{name}=N]' for name in SETTINGS)}"
"""What `read_our_side` takes."""

_REMEDY = f"Write it as {FORM}, such as sd15@ort-cpu or sd15@ort-cpu+step_cache=2."
_SETTING = re.compile(r"(.*)\+([^+=/]+)=([^+=/]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class OurSide:
    """One bundle on one target.

    Args:
        bundle: As for `latentlink.load`.
        target: As for `latentlink.load`.
        settings: Arguments of `Pipeline.generate` that only this side has, by the names of `SETTINGS`.
    """

    bundle: str
    target: str = "auto"
    settings: Mapping[str, int] = field(default_factory=dict)


def read_our_side(text: str) -> OurSide:
    """Read what `--also` takes: `sd15`, `sd15@ort-cpu`, `sd15@ort-cpu+step_cache=2`.

    An `@` before a `/` belongs to the bundle's path, and so does a `+` that no `NAME=VALUE` follows.

    Raises:
        UsageError: It names no bundle, an unknown target or setting, or a value that is no whole number of at least 1.
    """
    settings: dict[str, int] = {}
    rest = text
    while found := _SETTING.fullmatch(rest):
        rest, name, value = found.groups()
        if name not in SETTINGS:
            raise UsageError(f"Unknown setting {name!r} in {text!r}; expected {', '.join(SETTINGS)}.", remedy=_REMEDY)
        if name in settings:
            raise UsageError(f"{text!r} says {name} twice; expected it once.", remedy=_REMEDY)
        if not re.fullmatch(r"[1-9][0-9]{0,8}", value):
            raise UsageError(f"{name} is {value!r} in {text!r}; expected a whole number of at least 1.", remedy=_REMEDY)
        settings[name] = int(value)
    bundle, at, target = rest.rpartition("@")
    if not at or "/" in target:
        bundle, target = rest, "auto"
    if not bundle:
        raise UsageError(f"{text!r} names no bundle; expected one.", remedy=_REMEDY)
    if target not in ("auto", *TARGETS):
        raise UsageError(
            f"Unknown target {target!r} in {text!r}; expected auto or one of: {', '.join(TARGETS)}.", remedy=_REMEDY
        )
    return OurSide(bundle=bundle, target=target, settings=settings)
