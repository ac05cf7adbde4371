"""What becomes of each key of a config: the export reads it, the network holds it, it has no effect, or one value is
accepted and others are refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from latentlink.errors import CheckpointError


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What becomes of one key.

    Args:
        why: Where its value goes, why it has no effect, or why other values are refused.
        only: Accepted values; None for all.
        expected: What is expected, for the error.
    """

    why: str
    only: tuple[object, ...] | None = None
    expected: str = ""


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
        if rule.only is not None and key in config and config[key] not in rule.only:
            raise CheckpointError(
                f"The checkpoint's {what} has {key} {config[key]!r}; expected {rule.expected}.", remedy=remedy
            )
