"""The vectors of pictures and records are what the Python runtime says today."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.vectors.picture_cases import read_again, resized
from tests.vectors.record_cases import picture_records
from tests.vectors.write import FOLDER


def _written(name: str) -> Any:
    return json.loads((FOLDER / name).read_text("utf-8"))


def _as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def test_pictures_are_resampled_as_today() -> None:
    assert _written("pictures.json")["resized"] == _as_json(resized())


@pytest.mark.parametrize("case", _written("pictures.json")["files"], ids=lambda case: case["name"])
def test_a_picture_file_is_read_as_today(case: dict[str, Any]) -> None:
    assert _as_json(read_again(case)) == case


def test_records_and_texts_are_those_of_today() -> None:
    assert _written("picture_records.json") == _as_json(picture_records())
