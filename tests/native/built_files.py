"""Where `make native` leaves the native runtime, for tests in Python."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest

from latentlink.bench.parity.native import NativeLibrary

GIVEN = os.environ.get("LATENTLINK_NATIVE")
"""The build folder that has to be there, as in CI; otherwise these tests are skipped where nothing was built."""

FOLDER = Path(GIVEN or Path(__file__).parents[2] / "build" / "native").resolve()

MISSING = "the native runtime is not built: make native"


def built(name: str) -> Path:
    """A file of the build folder; skips the test if nothing was built."""
    path = FOLDER / name
    if not path.exists():
        if GIVEN is not None:
            pytest.fail(f"LATENTLINK_NATIVE says {FOLDER}, which has no {name}.")
        pytest.skip(MISSING)
    return path


@cache
def library() -> NativeLibrary:
    """The shared library; skips the test if it was not built."""
    return NativeLibrary(built("liblatentlink.so"))
