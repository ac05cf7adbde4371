"""Checks of a user's values: each returns the value in one known type, or raises an error with what was expected."""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from typing import Any

import numpy as np

from latentlink.checks import choice, shown, to_python, truth, whole
from latentlink.errors import UsageError
from latentlink.options import MAX_COUNT, OPTIONS, Option

MAX_PROMPT = 20_000
LEAST_SEED, MOST_SEED = -(2**63), 2**64 - 1

RANDOM = -1
"""The seed that stands for a random one, as in other programs."""


def check(option: Option, value: object) -> Any:
    """One value of an option as a built-in type.

    Raises:
        UsageError: It is not of the option's type, choices or range.
    """
    name = option.name
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


def each_picture(option: Option, value: object, batch: int) -> tuple[Any, ...]:
    """The values of an option for every picture of the batch, from one for all or one for each.

    Raises:
        UsageError: It is neither, or a value is not of the option's type, choices or range.
    """
    listed = _several(value)
    if listed is None:
        return (check(option, value),) * batch
    if len(listed) != batch:
        raise UsageError(
            f"{len(listed)} values of {option.name} for {batch} pictures; expected one for all, or one a picture."
        )
    return tuple(check(option, one) for one in listed)


def seeds(value: object, batch: int, *, shared: bool = False) -> tuple[int, ...]:
    """The seed of every picture: the given ones, or one seed and those that follow it.

    Args:
        value: One seed, or one a picture; None and `RANDOM` draw a random one.
        batch: Number of pictures.
        shared: Whether one seed is that of the whole batch.

    Raises:
        UsageError: It is no seed, or there are several for a whole batch.
    """
    listed = _several(value)
    if listed is None:
        first = _seed(value)
        return (first,) * batch if shared else tuple(following(first, number) for number in range(batch))
    if shared:
        raise UsageError(
            f"batch_seed draws the noise of all pictures from one seed, but received {len(listed)}; expected one.",
            remedy="Leave batch_seed out.",
        )
    if len(listed) != batch:
        raise UsageError(f"{len(listed)} seeds for {batch} pictures; expected one, or one a picture.")
    return tuple(map(_seed, listed))


def following(seed: int, number: int) -> int:
    """The seed that is `number` after another one, within 64 bits, and never the one that stands for a random one."""
    after = seed + number
    if after > MOST_SEED:
        return after - 2**64
    return MOST_SEED if after == RANDOM else after  # generators read seeds modulo 2**64


def _seed(value: object) -> int:
    if value is None:
        return secrets.randbits(32)
    seed = whole("seed", value, LEAST_SEED, MOST_SEED)
    return secrets.randbits(32) if seed == RANDOM else seed


def _several(value: object) -> Sequence[object] | None:
    """A list of values, of Python or numpy; None if it is one value."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    return value if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray) else None
