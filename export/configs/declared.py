"""The types that classes of diffusers and transformers declare for the keys of their configs, and whether values fit.

A value of another type passes through a constructor and ends in the middle of an export, or in no error at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import cache
from inspect import signature
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from latentlink.errors import CheckpointError
from latentlink.export.configs.defaults import class_defaults, constructor_of, text_config_of
from latentlink.export.configs.rule import shown

SCHEDULER = "Scheduler"
"""How the names of all classes of schedulers end."""

WORDS: Mapping[object, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
PLURALS: Mapping[object, str] = {int: "whole numbers", float: "numbers", bool: "true or false", str: "texts"}

# Where classes declare something else than what libraries write and read: null for "not stated", a size of two sides,
# an end token without which CLIP's pooled vector cannot be found.
BY_KEY: Mapping[str, Any] = {
    "sample_size": int | list[int] | None,
    "scaling_factor": float | None,
    "shift_factor": float | None,
    "shift_terminal": float | None,
    "sigma_max": float | None,
    "eos_token_id": int,
}

# The keys that libraries write beside those of the class, as far as they are read here.
OF_THE_LIBRARY: Mapping[str, Any] = {"_class_name": str, "_use_default_values": list[str]}


def declared_keys(kind: str) -> frozenset[str]:
    """The keys that a class itself declares; empty for a class of neither library.

    Keys that every config of transformers has are left out: they say how to compute, store and publish, not what.
    """
    return frozenset(_declared(kind))


def check_types(kind: str, config: Mapping[str, Any], *, what: str, remedy: str) -> None:
    """Refuse a config with a value of another type than its class declares.

    A number may not be NaN or infinite, unless that is its default. Null is accepted where the class accepts it, in
    place of true or false, which is false to diffusers, and for every key of a scheduler, where it means "not stated".

    Args:
        kind: Name of a class of diffusers or transformers; a config of another class is accepted.
        config: The config as a checkpoint states it.
        what: The part, for the error.
        remedy: What to do about a refused value.

    Raises:
        CheckpointError: A value has another type. The message names the key and the value.
    """
    stated, defaults = text_config_of(config), class_defaults(kind)
    for key, hint in {**OF_THE_LIBRARY, **_declared(kind)}.items():
        value, kinds = stated.get(key), [*_either(hint)]
        if value is None and (key not in stated or bool in kinds or key in OF_THE_LIBRARY or kind.endswith(SCHEDULER)):
            continue
        if not any(_is(value, one) for one in kinds) and not (type(value) is float and value == defaults.get(key)):
            expected = " or ".join(dict.fromkeys(_words(one) for one in kinds if one is not NoneType))
            raise CheckpointError(
                f"The checkpoint's {what} has {key} {shown(value)}; expected {expected}.", remedy=remedy
            )


@cache
def _declared(kind: str) -> Mapping[str, Any]:
    """The declared type of every key."""
    constructor = constructor_of(kind)
    if constructor is None:
        return {}
    common = _common_keys()
    return {
        key: BY_KEY.get(key, parameter.annotation)
        for key, parameter in signature(constructor).parameters.items()
        if key not in common
    }


@cache
def _common_keys() -> frozenset[str]:
    from transformers import PreTrainedConfig

    return frozenset(("self", "kwargs", *PreTrainedConfig.__annotations__))


def _either(hint: Any) -> Iterator[Any]:
    """The alternatives of a type."""
    if get_origin(hint) in (Union, UnionType):
        for one in get_args(hint):
            yield from _either(one)
    else:
        yield hint


def _is(value: object, hint: Any) -> bool:
    """Whether a value of JSON has a type that is no union. Lists stand for tuples, of any length."""
    if hint is Any:
        return True
    if hint is float:
        return type(value) is int or (type(value) is float and math.isfinite(value))
    if hint in (int, bool, str):
        return type(value) is hint
    if hint is NoneType:
        return value is None
    if hint in (tuple, list):
        return isinstance(value, list | tuple)
    if get_origin(hint) is Literal:
        return isinstance(value, str)  # which ones is a rule
    if get_origin(hint) in (tuple, list):
        kinds = [kind for one in get_args(hint) if one is not ... for kind in _either(one)]
        return isinstance(value, list | tuple) and all(any(_is(item, kind) for kind in kinds) for item in value)
    return False  # a class, of which JSON has no value


def _words(hint: Any) -> str:
    if get_origin(hint) in (tuple, list):
        return f"a list of {PLURALS.get(get_args(hint)[0], 'lists')}"
    return "text" if get_origin(hint) is Literal else WORDS.get(hint, "null")
