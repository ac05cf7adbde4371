"""What is left of a session is looked for after each test."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def only_new_objects_are_collected() -> Iterator[None]:
    """Keep what was made before this module out of the search for reference cycles: an export leaves millions of
    objects in the caches of torch and sympy, and each search went through all of them."""
    gc.collect()
    gc.freeze()
    yield
