"""Printable text: one rule, whatever version of Unicode Python or a library was made with."""

from __future__ import annotations

from dataclasses import replace

import pytest
import regex  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentlink.engine.bundle import Manifest
from latentlink.engine.bundle.printable import UNPRINTABLE, is_printable, only_printable, quoted
from latentlink.errors import BundleError

SHOWN = regex.compile(r"[\p{L}\p{M}\p{N}\p{P}\p{S} ]")
HIDDEN = regex.compile(r"[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\p{Zs}--[ ]]", regex.V1)


def test_a_character_that_unicode_calls_visible_is_printable_and_an_invisible_one_is_not() -> None:
    wrong = [
        hex(code)
        for code in range(0x110000)
        if (SHOWN.match(chr(code)) and not is_printable(chr(code)))
        or (HIDDEN.match(chr(code)) and is_printable(chr(code)))
    ]
    assert wrong == []


@pytest.mark.parametrize(("low", "high"), UNPRINTABLE)
def test_both_ends_of_a_range_are_refused_in_a_manifest_and_what_stands_beside_it_is_read(
    low: int, high: int, whole_manifest: Manifest
) -> None:
    for code in {low, high}:
        with pytest.raises(BundleError, match="expected printable text"):
            Manifest.from_json(replace(whole_manifest, provenance={"checkpoint": chr(code)}).to_json())
    for code in {low - 1, high + 1} & set(range(0x110000)):
        provenance = {"checkpoint": chr(code)}
        assert Manifest.from_json(replace(whole_manifest, provenance=provenance).to_json()).provenance == provenance


@pytest.mark.parametrize("code", [0x31350, 0x1FAE8, 0x10D40, 0x0870, 0x50000])
def test_a_character_that_a_later_unicode_assigns_is_text(code: int, whole_manifest: Manifest) -> None:
    provenance = {"checkpoint": chr(code)}
    assert Manifest.from_json(replace(whole_manifest, provenance=provenance).to_json()).provenance == provenance


def test_unprintable_characters_are_left_out_of_a_message() -> None:
    assert only_printable("a\nb\u202ec\U00031350") == "abc\U00031350"


@pytest.mark.parametrize(
    "text", ["", "a", "it's", 'say "a"', "'both\"", "a\\b", "\n\t\r\x00\x1b", "é\u202e\u00ad", "\U0001f600", "\ud800"]
)
def test_quoted_text_is_what_repr_makes_of_characters_that_every_version_knows(text: str) -> None:
    assert quoted(text) == repr(text)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(text=st.text(st.characters(), max_size=200))
def test_a_value_is_told_in_the_same_words_by_both_readers_whatever_its_characters(
    whole_manifest: Manifest, text: str
) -> None:
    made = whole_manifest.to_json()
    made["family"] = {text: 1}
    with pytest.raises(BundleError):
        Manifest.from_json(made)
