"""Weights in prompts: a number with a point, or 0, 1 or 2; everything else is text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentlink.errors import UsageError
from latentlink.runtime.text.weighting import weighted_parts


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
        ("(red:.8) (red:1.) (red:0)", [("red", 0.8), (" ", 1.0), ("red", 1.0), (" ", 1.0), ("red", 0.0)]),
        ("(at 10:30) (16:9)", [("(at 10:30) (16:9)", 1.0)]),
        ("(red:3) (red:02) (red:.) (red:-1.0)", [("(red:3) (red:02) (red:.) (red:-1.0)", 1.0)]),
        ("(ratio 4:3:1.2)", [("ratio 4:3", 1.2)]),
        (r"(red\:1.3) (red\\:1.3)", [(r"(red\:1.3) ", 1.0), ("red\\", 1.3)]),
        ("(:1.3)", [("", 1.0)]),
        ("(a\nb:1.3)", [("a\nb", 1.3)]),
        ("((red:1.3):1.2)", [("(", 1.0), ("red", 1.3), (":1.2)", 1.0)]),
    ],
)
def test_parts_and_their_weights(prompt: str, parts: list[tuple[str, float]]) -> None:
    assert weighted_parts(prompt) == parts


def test_a_weight_out_of_range_is_refused() -> None:
    with pytest.raises(UsageError, match=r"\(red:12\.0\).*is 12; expected 0 to 10"):
        weighted_parts("a (red:12.0) circle")
    with pytest.raises(UsageError, match=r"is inf"):
        weighted_parts(f"(red:{'9' * 400}.0)")


@pytest.mark.parametrize(
    ("begins", "goes_on", "ends"),
    [("(:", "1", "x)"), ("(:", "1", ""), ("(", ":1", ""), ("(a:", " ", ")"), ("", "(", ":x)"), ("(a:1.", "0", "x)")],
)
def test_a_prompt_is_read_in_one_pass(begins: str, goes_on: str, ends: str) -> None:
    # milliseconds; a reader that tries every place anew makes 10^11 steps
    prompt = begins + goes_on * 500_000 + ends
    assert weighted_parts(prompt) == [(prompt, 1.0)]


@given(st.text(alphabet="ab ,.-()"))
def test_text_without_a_colon_stays_as_it_is(prompt: str) -> None:
    assert weighted_parts(prompt) == [(prompt, 1.0)]
