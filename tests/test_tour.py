"""The notebook runs from top to bottom, and its outputs are those of its code."""

from __future__ import annotations

import io
import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

import pytest
from PIL import Image

from tests.house import ROOT
from tests.notebook import code_cells, read, run
from tests.pictures import MOST_APART, apart

TOUR = ROOT / "docs" / "tour.ipynb"

NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w.]*\w)")
"""A number that stands alone, and is no part of a name or digest."""


def same_text(one: str, other: str) -> bool:
    """Whether two texts are equal but for numbers that differ by a twentieth: another processor rounds differently."""
    numbers = [[float(found) for found in NUMBER.findall(text)] for text in (one, other)]
    return NUMBER.sub("#", one) == NUMBER.sub("#", other) and numbers[0] == pytest.approx(numbers[1], rel=0.05)


def picture(output: Mapping[str, Any]) -> Image.Image:
    return Image.open(io.BytesIO(b64decode(output["data"]["image/png"])))


def test_every_cell_runs_and_its_output_is_the_one_that_is_shown() -> None:
    notebook = read(TOUR)
    for cell, made in zip(code_cells(notebook), run(notebook), strict=True):
        shown, where = cell["outputs"], f"{cell['id']}: python -m tests.notebook docs/tour.ipynb"
        assert [one["output_type"] for one in shown] == [one["output_type"] for one in made], where
        for one, other in zip(shown, made, strict=True):
            if one["output_type"] == "stream":
                assert same_text("".join(one["text"]), "".join(other["text"])), where
            else:
                assert apart(picture(one), picture(other)) < MOST_APART, where


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("round trip: 37 dB", "round trip: 36 dB", True),
        ("round trip: 37 dB", "round trip: 30 dB", False),
        ("f632beb9", "f633beb9", False),
        ("latent__c4_f8", "latent__c4_f9", False),
        ("mean 8.35; ddim", "mean 8.36; ddim", True),
        ("mean 8.35; ddim", "mean 8.35; lms", False),
    ],
)
def test_texts_are_the_same_up_to_rounding(one: str, other: str, same: bool) -> None:
    assert same_text(one, other) == same


def test_other_pictures_are_told_apart() -> None:
    shown = [picture(one) for cell in code_cells(read(TOUR)) for one in cell["outputs"] if "data" in one]
    equal_sizes = [(a, b) for a in shown for b in shown if a is not b and a.size == b.size]
    assert equal_sizes
    assert all(apart(a, b) > MOST_APART for a, b in equal_sizes)


def test_the_notebook_is_small_and_in_the_order_of_its_run() -> None:
    notebook = read(TOUR)
    cells = code_cells(notebook)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    assert [cell["execution_count"] for cell in cells] == [*range(1, len(cells) + 1)]
    assert TOUR.stat().st_size < 1_000_000
