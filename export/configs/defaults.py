"""The defaults of a class for the keys that a config leaves out, as diffusers and transformers fill them in."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any


def with_defaults(kind: str, stated: Mapping[str, Any]) -> Mapping[str, Any]:
    """A config with the defaults of its class.

    Args:
        kind: Name of a class of diffusers or transformers; another class has no defaults.
        stated: The config as a checkpoint states it. Keys named by its `_use_default_values` count as left out, and a
            null in place of true or false is false, as it is to diffusers. Of a whole CLIP, it is its text encoder's.
    """
    if stated.get("model_type") == "clip" and isinstance(stated.get("text_config"), Mapping):
        stated = stated["text_config"]
    unsaid = {*(stated.get("_use_default_values") or ()), "_use_default_values"}
    defaults = class_defaults(kind)
    return {
        **defaults,
        **{
            key: False if value is None and isinstance(defaults.get(key), bool) else value
            for key, value in stated.items()
            if key not in unsaid
        },
    }


@cache
def class_defaults(kind: str) -> Mapping[str, Any]:
    """Defaults of a class of diffusers, or of the config of a class of transformers, as JSON has them.

    Args:
        kind: Name of the class; the result is empty if neither library has it.
    """
    import diffusers

    found = getattr(diffusers, kind, None)
    if found is None:
        import transformers

        found = getattr(getattr(transformers, kind, None), "config_class", None)
    if found is None:
        return {}
    return {
        name: list(parameter.default) if isinstance(parameter.default, tuple) else parameter.default
        for name, parameter in inspect.signature(found.__init__).parameters.items()
        if parameter.default is not parameter.empty
    }
