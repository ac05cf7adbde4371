"""Checks of a schedule's constants, which come from a manifest or a checkpoint's scheduler config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from latentlink.checks import shown
from latentlink.errors import UsageError
from latentlink.runtime.samplers.schedules.refusal import DATA_DEPENDENT, data_dependent, one_of, refusal

FieldRange = tuple[type, float, float]
"""(type, lowest, highest) of a number; the bounds of a bool have no meaning."""


def check_fields(schedule: Any, options: Mapping[str, tuple[str, ...]], ranges: Mapping[str, FieldRange]) -> None:
    """Check every field against its options or its range; None passes if it is the default.

    Args:
        schedule: A dataclass.
        options: Allowed values of text fields, by name.
        ranges: Allowed ranges of all other fields, by name.

    Raises:
        UsageError: A value has the wrong type or is out of range.
    """
    for field in fields(schedule):
        value = getattr(schedule, field.name)
        if value is None and field.default is None:
            continue
        if field.name in options:
            one_of(value, options[field.name], what=field.name)
        else:
            _check_number(field.name, value, *ranges[field.name])


def known_keys(cls: type[Any], data: Mapping[str, Any], inert: Mapping[str, object]) -> dict[str, Any]:
    """`data` without the keys of `inert`, checked to be fields of `cls`.

    Args:
        cls: The schedule's class, a dataclass.
        data: A scheduler config.
        inert: Keys that change nothing at these values, and are refused at any other.

    Raises:
        UsageError: A key is unknown, or needs an update that no sampler here has.
    """
    kept = dict(data)
    for key, harmless in inert.items():
        value = kept.pop(key, harmless)
        if value != harmless:
            raise data_dependent(key) if key in DATA_DEPENDENT else _refused_value(key, value, harmless)
    known = [field.name for field in fields(cls)]
    for key in kept:
        one_of(key, known, what="schedule key")
    return kept


def own_sigmas(schedule: Any) -> str | None:
    """The checkpoint's own kind of levels, a key of `SIGMAS`; None for evenly spaced ones.

    Args:
        schedule: A dataclass with the fields `use_karras_sigmas`, `use_exponential_sigmas` and `use_beta_sigmas`.

    Raises:
        UsageError: More than one of them is true.
    """
    used = [name for name in ("karras", "exponential", "beta") if getattr(schedule, f"use_{name}_sigmas")]
    if len(used) > 1:
        raise refusal(
            "more than one of use_karras_sigmas, use_exponential_sigmas and use_beta_sigmas",
            "at most one that is true",
            "Check the checkpoint's scheduler config.",
        )
    return used[0] if used else None


def present_fields(schedule: Any) -> dict[str, Any]:
    """The fields of a dataclass that are not None."""
    return {key: value for key, value in asdict(schedule).items() if value is not None}


def _refused_value(key: str, value: object, expected: object) -> UsageError:
    if isinstance(value, str) and value in DATA_DEPENDENT:
        return data_dependent(value)
    return refusal(f"{key} {value!r}", f"{key} {expected!r}", "No sampler here implements another value.")


def _check_number(name: str, value: object, kind: type, lowest: float, highest: float) -> None:
    kinds = (int, float) if kind is float else (kind,)
    if type(value) in kinds and lowest <= value <= highest:  # type: ignore[operator] # NaN is in no range
        return
    expected = "true or false" if kind is bool else f"{kind.__name__} from {lowest:g} to {highest:g}"
    raise refusal(f"{name} {shown(value)}", f"{name} as {expected}", "Check the checkpoint's scheduler config.")
