"""Our side on the command line: a bundle, its target, and settings of generation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from latentlink.engine.targets import TARGETS
from latentlink.errors import UsageError

SETTINGS: Mapping[str, str] = {"step_cache": "step cache {}"}
"""Arguments of `Pipeline.generate` that can be set for one of our sides, each a whole number of at least 1, and their
labels in tables."""

FORM = f"BUNDLE[@TARGET]{''.join(f'[+{name}=N]' for name in SETTINGS)}"
"""Format that `read_our_side` reads."""

_REMEDY = f"Write it as {FORM}, such as sd15@ort-cpu or sd15@ort-cpu+step_cache=2."
_SETTING = re.compile(r"(.*)\+([^+=/]+)=([^+=/]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class OurSide:
    """One bundle on one target.

    Args:
        bundle: See `latentlink.load`.
        target: See `latentlink.load`.
        settings: Arguments of `Pipeline.generate` for this side alone, by the names of `SETTINGS`.
    """

    bundle: str
    target: str = "auto"
    settings: Mapping[str, int] = field(default_factory=dict)


def read_our_side(text: str) -> OurSide:
    """Parse a value of `--also`: `sd15`, `sd15@ort-cpu`, `sd15@ort-cpu+step_cache=2`.

    An `@` before a `/` belongs to the bundle's path, as does a `+` without `NAME=VALUE` after it.

    Raises:
        UsageError: There is no bundle, an unknown target or setting, or a value that is not a whole number from 1.
    """
    settings: dict[str, int] = {}
    rest = text
    while found := _SETTING.fullmatch(rest):
        rest, name, value = found.groups()
        if name not in SETTINGS:
            raise UsageError(f"Unknown setting {name!r} in {text!r}; expected {', '.join(SETTINGS)}.", remedy=_REMEDY)
        if name in settings:
            raise UsageError(f"{text!r} sets {name} twice; expected once.", remedy=_REMEDY)
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
