"""Weights in prompts: a number with a point, or 0, 1 or 2; everything else is text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

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
        ("((red:1.3):1.2)", [("red", 1.56)]),
        ("((red:1.2))", [("red", 1.32)]),
        ("(((red:1.2)))", [("red", 1.452)]),
        ("(a (red:1.2) circle:1.3)", [("a ", 1.3), ("red", 1.56), (" circle", 1.3)]),
        ("(a (red:1.2) circle)", [("a ", 1.1), ("red", 1.32), (" circle", 1.1)]),
        ("(a smile (wide):1.2)", [("a smile ", 1.2), ("wide", 1.32)]),
        ("((red)), ((blue:1.2))", [("((red)), ", 1.0), ("blue", 1.32)]),
        ("(a (b:0.5)(c:2):1.0)", [("a ", 1.0), ("b", 0.5), ("c", 2.0)]),
        ("((a (b (c:1.2)):0.5):2)", [("a ", 1.0), ("b ", 1.1), ("c", 1.32)]),
        ("((red:1.2)", [("(", 1.0), ("red", 1.2)]),
        ("(red:1.2))", [("red", 1.2), (")", 1.0)]),
        (")(red:1.2)(", [(")", 1.0), ("red", 1.2), ("(", 1.0)]),
        ("(a (b) c", [("(a (b) c", 1.0)]),
        ("(a:1.2 (b))", [("(a:1.2 (b))", 1.0)]),
        ("((16:9) picture:1.2)", [("16:9", 1.32), (" picture", 1.2)]),
        (r"(\((red:1.2)\):1.5)", [("(", 1.5), ("red", 1.8), (")", 1.5)]),
        ("([red]:1.2) [blue] [a:b:0.5]", [("[red]", 1.2), (" [blue] [a:b:0.5]", 1.0)]),
        ("(<lora:x:1.2>)", [("(<lora:x:1.2>)", 1.0)]),
    ],
)
def test_parts_and_their_weights(prompt: str, parts: list[tuple[str, float]]) -> None:
    assert [text for text, _ in weighted_parts(prompt)] == [text for text, _ in parts]
    assert [weight for _, weight in weighted_parts(prompt)] == pytest.approx([weight for _, weight in parts])


def test_a_weight_out_of_range_is_refused() -> None:
    with pytest.raises(UsageError, match=r"\(red:12\.0\).*is 12; expected 0 to 10"):
        weighted_parts("a (red:12.0) circle")
    with pytest.raises(UsageError, match=r"is inf"):
        weighted_parts(f"(red:{'9' * 400}.0)")
    with pytest.raises(UsageError, match=r"is inf"):
        weighted_parts(f"((red:{'9' * 400}.0):0)")
    with pytest.raises(UsageError, match=r"\(red:4\.0\).*is 16; expected 0 to 10"):
        weighted_parts("((red:4.0) circle:4.0)")


@pytest.mark.parametrize(
    ("begins", "goes_on", "ends"),
    [
        ("(:", "1", "x)"),
        ("(:", "1", ""),
        ("(", ":1", ""),
        ("(a:", " ", ")"),
        ("", "(", ":x)"),
        ("(a:1.", "0", "x)"),
        ("", "()", ""),
    ],
)
def test_a_prompt_is_read_in_one_pass(begins: str, goes_on: str, ends: str) -> None:
    # milliseconds; a reader that tries every place anew makes 10^11 steps
    prompt = begins + goes_on * 500_000 + ends
    assert weighted_parts(prompt) == [(prompt, 1.0)]


@given(st.text(alphabet="ab ,.-()"))
def test_text_without_a_colon_stays_as_it_is(prompt: str) -> None:
    assert weighted_parts(prompt) == [(prompt, 1.0)]


Tree: TypeAlias = list["str | tuple[Tree, str]"]
"""Texts, and groups of texts and groups with what stands before their end: a weight, or nothing."""

TREES: st.SearchStrategy[Tree] = st.recursive(
    st.lists(st.sampled_from(["a", " ", ", b"]), max_size=2),
    lambda trees: st.lists(
        st.sampled_from(["a", "b "]) | st.tuples(trees, st.sampled_from(["", ":1.2", ": 0.5 ", ":1.", ":16"])),
        max_size=3,
    ),
    max_leaves=6,
)


def written(tree: Tree) -> str:
    return "".join(one if isinstance(one, str) else f"({written(one[0])}{one[1]})" for one in tree)


def has_weight(one: str | tuple[Tree, str]) -> bool:
    return isinstance(one, tuple) and (one[1] not in ("", ":16") or any(map(has_weight, one[0])))


def read(tree: Tree, weight: float, *, inside: bool) -> Iterator[tuple[str, float]]:
    for one in tree:
        if isinstance(one, str):
            yield one, weight
        elif inside or has_weight(one):
            number = one[1].strip(": ")
            factor, text = (1.1, one[1]) if number in ("", "16") else (float(number), "")
            yield from read([*one[0], text], weight * factor, inside=True)
        else:
            yield written([one]), weight


def letters(parts: Iterable[tuple[str, float]]) -> list[tuple[str, float]]:
    return [(letter, round(weight, 9)) for text, weight in parts for letter in text]


@given(TREES)
def test_weights_within_weights_multiply(tree: Tree) -> None:
    assert letters(weighted_parts(written(tree))) == letters(read(tree, 1.0, inside=False))
