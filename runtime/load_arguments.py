"""Arguments of `load`: the bundles of replaced components, and names that it does not have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from latentlink.bundle_names import bundle_path
from latentlink.checks import shown
from latentlink.errors import UsageError

RENAMED = {"memory": "vae_memory", "resident": "engine_memory"}
"""Arguments of `load` that were renamed."""


def donors_of(replace: object) -> Mapping[str, str | Path]:
    """The argument `replace`: by component, the bundle to take it from.

    Raises:
        UsageError: It is not a mapping of names to bundles.
    """
    if replace is None:
        return {}
    if not isinstance(replace, Mapping) or not all(isinstance(component, str) for component in replace):
        raise UsageError(
            f"replace is {shown(replace)}; expected a mapping of components to bundles, as "
            '{"vae_decoder": "other_bundle"}.'
        )
    for component, bundle in replace.items():
        bundle_path(bundle, f"replace[{component!r}]")
    return dict(replace)


def unknown_argument(name: str, function: Callable[..., Any]) -> TypeError:
    """The error for an argument that `load` does not have, worded as Python's own."""
    known = [one for one in function.__annotations__ if one not in ("bundle", "renamed", "return")]
    meant = RENAMED.get(name) or next(iter(get_close_matches(name, known, 1)), None)
    now = "" if meant is None else f" It is called {meant} now." if name in RENAMED else f" Did you mean {meant!r}?"
    return TypeError(f"load() got an unexpected keyword argument {name!r}.{now}")
