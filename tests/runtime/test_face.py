"""The face of the runtime, whose names are imported when they are first used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import latentlink
from latentlink import runtime


@pytest.mark.parametrize("face", [latentlink, runtime], ids=["latentlink", "runtime"])
def test_a_face_lists_its_names_and_has_them(face: object) -> None:
    names = [*vars(face)["__all__"]]
    assert {*names} <= {*dir(face)}
    assert all(hasattr(face, name) for name in names)
    assert not hasattr(face, "no_such_name")


@pytest.mark.parametrize("room", ["latentlink.runtime.chains", "latentlink.runtime.transfers"])
def test_functions_are_found_after_the_modules_that_hold_them(room: str) -> None:
    program = (
        f"import {room}\nfrom latentlink.runtime import chain, transfer\nassert callable(chain) and callable(transfer)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
