"""The face of the runtime, whose names are imported when they are first used."""

from __future__ import annotations

import subprocess
import sys

import pytest

from latentlink import runtime


def test_the_face_lists_its_names_and_has_them() -> None:
    assert {*runtime.__all__} <= {*dir(runtime)}
    assert all(hasattr(runtime, name) for name in runtime.__all__)
    assert not hasattr(runtime, "no_such_name")


@pytest.mark.parametrize("room", ["latentlink.runtime.chains", "latentlink.runtime.transfers"])
def test_functions_are_found_after_the_modules_that_hold_them(room: str) -> None:
    program = (
        f"import {room}\nfrom latentlink.runtime import chain, transfer\nassert callable(chain) and callable(transfer)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
