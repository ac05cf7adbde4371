"""The defaults of a class for the keys that a config leaves out, as diffusers and transformers fill them in."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any


def with_defaults(kind: str, stated: Mapping[str, Any]) -> Mapping[str, Any]:
    """A config with the defaults of its class.

    Args:
        kind: Name of a class of diffusers or transformers; another class has no defaults.
        stated: The config as a checkpoint states it. Keys named by its `_use_default_values` count as left out, and a
            null in place of true or false is false, as it is to diffusers. Of a whole CLIP, it is its text encoder's.
    """
    defaults = class_defaults(kind)
    return {
        **defaults,
        **{
            key: False if value is None and isinstance(defaults.get(key), bool) else value
            for key, value in stated_keys(stated).items()
        },
    }


def stated_keys(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a config states: without the keys that its `_use_default_values` names; of a whole CLIP, its text encoder's.

    diffusers writes a default that no one chose under its key, and the key into that list.
    """
    config = text_config_of(config)
    unsaid = {*(config.get("_use_default_values") or ()), "_use_default_values"}
    return {key: value for key, value in config.items() if key not in unsaid}


def text_config_of(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The config of the text encoder in that of a whole CLIP; another config as it is."""
    inner = config.get("text_config")
    return inner if config.get("model_type") == "clip" and isinstance(inner, Mapping) else config


@cache
def class_defaults(kind: str) -> Mapping[str, Any]:
    """Defaults of a class of diffusers, or of the config of a class of transformers, as JSON has them.

    Args:
        kind: Name of the class; the result is empty if neither library has it.
    """
    constructor = constructor_of(kind)
    if constructor is None:
        return {}
    return {
        name: list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
        for name, parameter in inspect.signature(constructor).parameters.items()
        if parameter.default is not parameter.empty
    }


@cache
def constructor_of(kind: str) -> Callable[..., Any] | None:
    """The constructor whose arguments are the keys of a class's config; None if neither library has the class."""
    import diffusers

    found = getattr(diffusers, kind, None)
    if found is None:
        import transformers

        found = getattr(getattr(transformers, kind, None), "config_class", None)
    return None if found is None else found.__init__
