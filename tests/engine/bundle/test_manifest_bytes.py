"""The bytes of a manifest: what is no JSON object, or one made to break a parser, is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentlink.engine.bundle import Manifest
from latentlink.errors import BundleError


@given(junk=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_bytes_that_are_no_manifest_are_refused(junk: bytes) -> None:
    with pytest.raises(BundleError):
        Manifest.from_bytes(junk)


def test_a_key_that_is_there_twice_is_refused(whole_manifest: Manifest) -> None:
    data = whole_manifest.to_bytes().replace(b'"kind": "bundle"', b'"kind": "bundle", "kind": "bundle"')
    with pytest.raises(BundleError, match="'kind', expected every key once"):
        Manifest.from_bytes(data)


@pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_a_number_that_is_not_finite_is_refused(constant: bytes, whole_manifest: Manifest) -> None:
    data = whole_manifest.to_bytes().replace(b"7.5", constant)
    with pytest.raises(BundleError, match="finite"):
        Manifest.from_bytes(data)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_nesting_without_end_is_refused_and_does_not_overflow_the_stack(opening: bytes) -> None:
    with pytest.raises(BundleError, match="nested"):
        Manifest.from_bytes(opening * 200_000)


def test_nesting_that_json_can_read_is_refused_as_well(record: dict[str, Any]) -> None:
    deep: list[Any] = []
    for _ in range(600):
        deep = [deep]
    record["spaces"][0]["mean"] = deep
    with pytest.raises(BundleError, match="nested deeper than 16"):
        Manifest.from_json(record)


def test_a_million_values_are_refused_at_once(record: dict[str, Any]) -> None:
    record["spaces"] = [[]] * 1_000_000
    with pytest.raises(BundleError, match="more than 250000 values"):
        Manifest.from_json(record)


@pytest.mark.parametrize("data", [b"", b"\xff\xfe{\0}\0", b"\xef\xbb\xbf{}", b"{} {}", b"[]", b"null", b'"a"'])
def test_what_is_no_utf8_json_object_is_refused(data: bytes) -> None:
    with pytest.raises(BundleError):
        Manifest.from_bytes(data)


def test_bytes_over_the_limit_are_refused_before_they_are_parsed(whole_manifest: Manifest) -> None:
    with pytest.raises(BundleError, match="expected at most 4194304"):
        Manifest.from_bytes(whole_manifest.to_bytes() + b" " * (4 << 20))
