"""The native reader is asked what Python's is asked, and a test fails where the two differ."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from latentlink.engine.bundle import Bundle, Manifest
from latentlink.engine.bundle.onnx_locations import external_locations
from latentlink.errors import BundleError
from tests.both_readers import Readers, comparing, start_readers
from tests.native.built_files import MISSING

if TYPE_CHECKING:
    from tests.engine.conftest import SmallBundle


@pytest.fixture
def native(readers: Readers | None) -> Readers:
    """The native readers; without them the test is skipped."""
    if readers is None:
        pytest.skip(MISSING)
    return readers


@pytest.fixture
def liar(tmp_path: Path) -> Iterator[Readers]:
    """A program that finds all files damaged, for a reason of its own."""
    program = tmp_path / "liar"
    answer = '{"status": 4, "message": "I do not like it.", "remedy": ""}'
    program.write_text(f"#!{sys.executable}\nwhile input():\n    print({answer!r}, flush=True)\n")
    program.chmod(0o755)
    started = Readers(program)
    yield started
    started.close()


def test_what_a_test_opens_or_reads_is_compared(native: Readers, small: SmallBundle) -> None:
    for number, read in enumerate(
        (
            lambda: Bundle.open(small.root),
            lambda: Manifest.from_bytes(small.manifest.to_bytes()),
            lambda: Manifest.from_json(small.manifest.to_json()),
            lambda: external_locations(small.root / "engines/denoiser/ort-cpu/model.onnx"),
            small.manifest.components["denoiser"].check_fingerprints,
        )
    ):
        before = native.compared
        read()
        assert native.compared == before + 1, number


def test_a_refusal_is_compared(native: Readers, small: SmallBundle) -> None:
    before = native.compared
    (small.root / "lost").mkdir()
    with pytest.raises(BundleError, match="not listed"):
        Bundle.open(small.root)
    assert native.compared == before + 1


@pytest.mark.python_reader("compares with another program")
@pytest.mark.parametrize("damage", [False, True])
def test_readers_that_differ_fail_the_test(damage: bool, liar: Readers, small: SmallBundle) -> None:
    if damage:
        (small.root / "lost").mkdir()
    with comparing(liar, sys.modules[__name__]), pytest.raises(AssertionError, match="the readers differ"):
        Bundle.open(small.root)


def test_a_program_that_has_to_be_there_is_missed(tmp_path: Path) -> None:
    assert start_readers(tmp_path, required=False) is None
    with pytest.raises(FileNotFoundError):
        start_readers(tmp_path, required=True)
