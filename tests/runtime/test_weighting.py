"""Weights in prompts: only (words:number) is one, everything else is text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentlink.errors import UsageError
from latentlink.runtime.weighting import weighted_parts


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("a red circle", [("a red circle", 1.0)]),
        ("", [("", 1.0)]),
        ("a (red:1.3) circle", [("a ", 1.0), ("red", 1.3), (" circle", 1.0)]),
        ("(red:.5)(blue: 2 )", [("red", 0.5), ("blue", 2.0)]),
        ("a photo (1990s), (grainy)", [("a photo (1990s), (grainy)", 1.0)]),
        (r"\(red:1.3)", [("(red:1.3)", 1.0)]),
        (r"(a smile \(wide\):1.2)", [("a smile (wide)", 1.2)]),
        (r"\(at 10:30)", [("(at 10:30)", 1.0)]),
        ("((red:1.3):1.2)", [("(", 1.0), ("red", 1.3), (":1.2)", 1.0)]),
    ],
)
def test_parts_and_their_weights(prompt: str, parts: list[tuple[str, float]]) -> None:
    assert weighted_parts(prompt) == parts


def test_a_weight_out_of_range_is_refused() -> None:
    with pytest.raises(UsageError, match=r"\(red:12\).*expected 0 to 10"):
        weighted_parts("a (red:12) circle")


@given(st.text(alphabet="ab ,.-()"))
def test_text_without_a_colon_stays_as_it_is(prompt: str) -> None:
    assert weighted_parts(prompt) == [(prompt, 1.0)]
