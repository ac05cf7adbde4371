"""What becomes of each key of a config: the export reads it, the network holds it, it has no effect, or one value is
accepted and others are refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from reprlib import Repr
from typing import Any, TypeAlias

from latentlink.errors import CheckpointError


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What becomes of one key.

    Args:
        why: Where its value goes, why it has no effect, or why other values are refused.
        only: Accepted values; None for all.
        within: Least and greatest accepted number, whole ones if these are, beside null; None for any value.
        expected: What is expected, for the error.
    """

    why: str
    only: tuple[object, ...] | None = None
    within: tuple[float, float] | None = None
    expected: str = ""

    def accepts(self, value: object) -> bool:
        """Whether a value is accepted."""
        if self.within is None:
            return self.only is None or value in self.only
        kinds = (int,) if type(self.within[0]) is int else (int, float)
        return value is None or (type(value) in kinds and self.within[0] <= value <= self.within[1])  # type: ignore[operator]


Rules: TypeAlias = Mapping[str, Rule]
"""By key of a config."""

OFF: tuple[object, ...] = (False, None)
UNSET: tuple[object, ...] = (None,)


def kept(where: str, *keys: str) -> Rules:
    """Rules of keys whose values the export reads, or that are part of a network."""
    return dict.fromkeys(keys, Rule(why=where))


def inert(why: str, *keys: str) -> Rules:
    """Rules of keys that have no effect on pictures."""
    return dict.fromkeys(keys, Rule(why=f"no effect: {why}"))


def only(values: tuple[object, ...], expected: str, *keys: str) -> Rules:
    """Rules of keys of which other values are refused."""
    return dict.fromkeys(keys, Rule(why=f"expected {expected}", only=values, expected=expected))


def within(least: float, most: float, where: str, *keys: str) -> Rules:
    """Rules of keys of numbers, whole ones if `least` is, that the export reads if they are in a range."""
    kind = "a whole number" if type(least) is int else "a number"
    return dict.fromkeys(keys, Rule(why=where, within=(least, most), expected=f"{kind} from {least:,} to {most:,}"))


_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60
_SHORT.maxlist = _SHORT.maxtuple = 8


def shown(value: object) -> str:
    """A value of a config in an error: as Python writes it, what is long or deep cut short."""
    return _SHORT.repr(value)


def check_config(config: Mapping[str, Any], rules: Rules, *, what: str, remedy: str) -> None:
    """Refuse a config with a value that is not accepted.

    Args:
        config: A config with the defaults of its class.
        rules: What is accepted.
        what: The part, for the error, such as `VAE`.
        remedy: What to do about a refused value.

    Raises:
        CheckpointError: A value is not accepted. The message names the key and the value.
    """
    for key, rule in rules.items():
        if key in config and not rule.accepts(config[key]):
            raise CheckpointError(
                f"The checkpoint's {what} has {key} {shown(config[key])}; expected {rule.expected}.", remedy=remedy
            )
