"""Mutations of JSON: of its values, which stay JSON, and of its text, which may not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, TypeAlias

from latentlink.bench.fuzz.mutations.mutation import Mutation, short

HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 3, 7, 1000, 65536, 10**9, 2**31 - 1, 2**31, 2**63, 2**64, -(2**63), 10**30,
    0.5, -0.0, 1e-308, 1e308, float("nan"), float("inf"), float("-inf"),
    "", " ", "0", "nan", "x" * 70_000, "[/red]", "../../../etc/passwd", "/etc/passwd", "/dev/zero", "C:\\NUL",
    "\x1b[31m", "\u202e", "\ud800", "\x00", "\U0001f600", "none", "float16", "__class__", "torch.load",
    [], {}, [[]], [None], {"": None}, {"a": {"b": {"c": []}}}, [0] * 5000, ["x"] * 5000,
)  # fmt: skip
"""Values that a reader may not expect."""

Place: TypeAlias = tuple[str | int, ...]
"""Keys and indices from the root to a value."""


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Every place in a JSON value, the root first."""
    yield at
    if isinstance(value, dict):
        for key, one in value.items():
            yield from places(one, (*at, key))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from places(one, (*at, number))


def mutate_json(
    rng: Random, text: bytes, *, within: Callable[[Place], bool] = lambda place: True
) -> tuple[bytes, Mutation]:
    """Change JSON text.

    Args:
        rng: Random numbers.
        text: The text.
        within: Which places to change.

    Returns:
        The new text, and what was done.
    """
    if rng.random() < 0.1:
        return _mutate_text(rng, text)
    value = json.loads(text)
    found = [place for place in places(value) if place and within(place)]
    if not found:
        return _mutate_text(rng, text)
    # first a depth, then a place: a list of thousand numbers would otherwise hide the rest
    depth = rng.choice(sorted({len(place) for place in found}))
    place = rng.choice([one for one in found if len(one) == depth])
    mutation = change_value(rng, value, place)
    return json.dumps(value).encode("utf-8", "surrogatepass"), mutation


def change_value(rng: Random, root: Any, place: Place) -> Mutation:
    """Change the value at a place, which is not the root."""
    holder = root
    for part in place[:-1]:
        holder = holder[part]
    key: Any = place[-1]
    old = holder[key]
    name = ".".join("*" if isinstance(one, int) else one for one in place)
    how = rng.choice(["replace", "replace", "replace", "scale", "delete", "rename", "copy", "wrap", "grow", "retype"])
    if how == "scale" and isinstance(old, int | float) and not isinstance(old, bool):
        holder[key] = rng.choice([-old, old + 1, old - 1, old * 2, old * 1000, old / 2, float(old), old * 10**12])
    elif how == "delete":
        del holder[key]
        return Mutation(what=f"{name}: deleted", detail=short(old))
    elif how == "rename" and isinstance(key, str):
        new = rng.choice([key.upper(), f"{key}_", "", "__proto__", key[:-1], f"{key}\x00"])
        holder[new] = holder.pop(key)
        return Mutation(what=f"{name}: renamed", detail=short(new))
    elif how == "copy":
        other = rng.choice([one for one in places(root) if one])
        value = root
        for part in other:
            value = value[part]
        holder[key] = json.loads(json.dumps(value))
    elif how == "wrap":
        holder[key] = rng.choice([[old], {"value": old}, [old, old], str(old)])
    elif how == "grow" and isinstance(old, list) and old:
        holder[key] = old * rng.choice([2, 3, 100])
    elif how == "retype":
        holder[key] = rng.choice([str(old), [old], bool(old), None if not isinstance(old, str) else len(old)])
    else:
        holder[key] = rng.choice(HOSTILE)
    return Mutation(what=f"{name}: changed", detail=f"{short(old, 40)} to {short(holder[key], 40)}")


def _mutate_text(rng: Random, text: bytes) -> tuple[bytes, Mutation]:
    """Change the text itself."""
    at = rng.randrange(len(text) + 1)
    deep = rng.choice([1_000, 100_000])
    digits = b"9" * 5000
    name, new = rng.choice(
        [
            ("truncated", text[:at]),
            ("a byte inserted", text[:at] + bytes([rng.randrange(256)]) + text[at:]),
            ("empty", b""),
            ("deep lists", b"[" * deep + b"]" * deep),
            ("deep objects", b'{"a":' * deep + b"1" + b"}" * deep),
            ("a long number", b'{"version": ' + digits + b"}"),
            ("a long number inside", text.replace(b": 1", b": " + digits, 1)),
            ("a long exponent inside", text.replace(b": 1", b": 1e999999999", 1)),
            ("a byte order mark", b"\xef\xbb\xbf" + text),
            ("UTF-16", text.decode("utf-8", "replace").encode("utf-16")),
            ("bytes that are no UTF-8", text.replace(b'"', b'"\xff', 1)),
            ("a key twice", text.replace(b"{", b'{"format": 1, "version": [], ', 1)),
            ("more after the end", text + b"{}"),
            ("a list around it", b"[" + text + b"]"),
            ("null", b"null"),
            ("a string", b'"latentlink"'),
        ]
    )
    return new, Mutation(what=f"text: {name}")
