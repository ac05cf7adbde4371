"""Checks of a user's values: each returns the value in one known type, or raises an error with what was expected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from latentlink.checks import choice, shown, to_python, truth, whole
from latentlink.errors import UsageError
from latentlink.options import MAX_COUNT, OPTIONS, Option

MAX_PROMPT = 20_000
LEAST_SEED, MOST_SEED = -(2**63), 2**64 - 1


def check(option: Option, value: object) -> Any:
    """The value of an option as a built-in type; an option that may have several values is returned unchecked.

    Raises:
        UsageError: It is not of the option's type, choices or range.
    """
    name = option.name
    if option.several:
        return value
    if option.choices:
        return choice(name, value, option.choices)
    if option.type is int:
        return whole(name, value, int(option.least), int(option.most))
    if option.type is float:
        return number(name, value, option.expected, option.least, option.most)
    if option.type is bool:
        return truth(name, value)
    return interval(name, value) if option.type is tuple else value


def number(name: str, value: object, expected: str, least: float = -math.inf, most: float = math.inf) -> float:
    """A finite number from `least` to `most`, given as a number or numpy scalar; `expected` describes the range.

    Raises:
        UsageError: It is not one.
    """
    # For an engine only what float32 can hold is finite.
    limit = float(np.finfo(np.float32).max)
    plain = to_python(value)
    if type(plain) not in (int, float) or not max(least, -limit) <= plain <= min(most, limit):
        raise UsageError(f"{name} is {shown(plain)}; expected {expected}.")
    return float(plain)


def interval(name: str, value: object) -> tuple[float, float]:
    """Two noise levels, the lower one first; the high one may be infinite.

    Raises:
        UsageError: The value is not such a pair.
    """
    expected = "two noise levels (low, high), 0 <= low < high, as ratios of noise to signal"
    listed = value.tolist() if isinstance(value, np.ndarray) else value
    if isinstance(listed, str | bytes) or not isinstance(listed, Sequence) or len(listed) != 2:
        raise UsageError(f"{name} is {shown(value)}; expected {expected}.")
    low = number(f"The low end of {name}", listed[0], expected, 0)
    above = to_python(listed[1])
    high = (
        math.inf
        if type(above) is float and above == math.inf
        else number(f"The high end of {name}", above, expected, 0)
    )
    if not low < high:
        raise UsageError(f"{name} is {low:g} to {high:g}; expected {expected}.")
    return low, high


def prompts(name: str, value: object) -> tuple[str, ...]:
    """One prompt or several, each of at most `MAX_PROMPT` characters.

    Raises:
        UsageError: It is something else, or a prompt is too long or holds half of a surrogate pair.
    """
    listed: Sequence[object] | np.ndarray
    if isinstance(value, str):
        listed = (value,)
    elif isinstance(value, bytes | bytearray) or not isinstance(value, Sequence | np.ndarray):
        raise _no_prompt(name, value)
    else:
        listed = np.atleast_1d(value) if isinstance(value, np.ndarray) else value
    return tuple(_prompt(name, one) for one in listed)


def _prompt(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise _no_prompt(name, value)
    if len(value) > MAX_PROMPT:
        raise UsageError(f"The {name} has {len(value)} characters; expected at most {MAX_PROMPT}.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"The {name} holds {value[error.start]!a} at character {error.start + 1}, which is no text; expected "
            "Unicode characters.",
            remedy="Give it in UTF-8.",
        ) from None
    return str(value)


def _no_prompt(name: str, value: object) -> UsageError:
    return UsageError(f"Received {type(value).__name__} for a {name}; expected text, or a list of texts.")


def check_sample(texts: object, count: object, steps: object, seed: object) -> None:
    """Check what a measurement generates: its prompts, how many generations, their steps (None for the model's), and
    the seed of the first.

    Raises:
        UsageError: One of them is not of its type or out of range, or there is no prompt.
    """
    if not isinstance(texts, list | tuple):
        raise UsageError(f"prompts is {shown(texts)}; expected a list of texts.")
    if not prompts("prompt", texts):
        raise UsageError("There is no prompt to draw; expected at least one.")
    whole("count", count, 1, MAX_COUNT)
    whole("seed", seed, LEAST_SEED, MOST_SEED)
    if steps is not None:
        check(OPTIONS["steps"], steps)


def seeds(value: object, batch: int) -> int | tuple[int, ...]:
    """One seed, or one for each picture of the batch.

    Raises:
        UsageError: It is neither.
    """
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, str | bytes | bytearray) or not isinstance(value, Sequence):
        return whole("seed", value, LEAST_SEED, MOST_SEED)
    if len(value) != batch:
        raise UsageError(f"{len(value)} seeds for {batch} pictures; expected one, or one a picture.")
    return tuple(whole("seed", one, LEAST_SEED, MOST_SEED) for one in value)
