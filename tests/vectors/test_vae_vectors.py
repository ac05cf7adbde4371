"""The vectors of the guards and the VAE are what the Python runtime says today, as in `test_vectors.py`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.vectors.guard_cases import guards
from tests.vectors.vae_cases import vae
from tests.vectors.write import FOLDER

ROUNDING = 1e-12
"""numpy may add in another order on another processor."""


def test_the_guards_say_what_they_said() -> None:
    _agree(_plain(guards()), json.loads((FOLDER / "guards.json").read_text("utf-8")))


def test_pictures_are_cut_and_blended_as_they_were() -> None:
    _agree(_plain(vae()), json.loads((FOLDER / "vae.json").read_text("utf-8")))


def _plain(value: Any) -> Any:
    """The value as a JSON file has it."""
    return json.loads(json.dumps(value))


def _agree(found: Any, written: Any) -> None:
    """Compare two JSON values whose numbers may differ in their rounding."""
    assert type(found) is type(written)
    if isinstance(found, dict):
        assert [*found] == [*written]
        for key, value in found.items():
            _agree(value, written[key])
    elif isinstance(found, list):
        assert len(found) == len(written)
        for one, other in zip(found, written, strict=True):
            _agree(one, other)
    elif isinstance(found, float):
        assert found == pytest.approx(written, rel=ROUNDING, abs=ROUNDING)
    else:
        assert found == written
