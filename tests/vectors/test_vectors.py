"""The vectors that the native runtime has to meet are what the Python runtime says today.

After a change of runtime/samplers they are written again: `python -m tests.vectors.write`.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.vectors.candidates import judgements
from tests.vectors.cases import NOISE, SCHEDULES
from tests.vectors.engines import engines
from tests.vectors.graphs import graphs
from tests.vectors.linking import verdicts
from tests.vectors.manifests import manifests
from tests.vectors.tensor_files import tensor_files
from tests.vectors.vocabulary import vocabulary
from tests.vectors.write import FOLDER, answers, noise, tables, written_tables

# numpy's logarithms and powers differ in the last bit from processor to processor; a difference of nearly equal
# numbers makes that larger, and leaves up to 4e-12 of coefficients of a clean picture that are 0.
RELATIVE, ABSOLUTE = 1e-12, 4e-12


def test_the_tables_are_those_of_today() -> None:
    cases, numbers = tables()
    written, expected = written_tables(FOLDER)
    assert written == cases
    np.testing.assert_allclose(numbers, expected, rtol=RELATIVE, atol=ABSOLUTE)


def test_the_schedules_of_the_tables_are_those_of_today() -> None:
    assert json.loads((FOLDER / "tables.json").read_text("utf-8"))["schedules"] == SCHEDULES


def test_the_answers_are_those_of_today() -> None:
    assert json.loads((FOLDER / "answers.json").read_text("utf-8")) == json.loads(json.dumps(answers()))


def test_the_noise_is_that_of_today() -> None:
    assert json.loads((FOLDER / "noise.json").read_text("utf-8"))["cases"] == list(NOISE)
    np.testing.assert_array_equal(noise(), load_file(FOLDER / "noise.safetensors")["noise"])


def test_the_engines_are_those_of_today() -> None:
    assert {path.name: path.read_bytes() for path in (FOLDER / "engines").glob("*.onnx")} == graphs()


def test_the_links_are_those_of_today() -> None:
    assert json.loads((FOLDER / "linking.json").read_text("utf-8")) == json.loads(json.dumps(verdicts()))


def test_the_judgements_of_candidates_are_those_of_today() -> None:
    written, today = json.loads((FOLDER / "candidates.json").read_text("utf-8")), judgements()
    for kind in ("decoders", "encoders"):
        assert _near(written.pop(kind), json.loads(json.dumps(today.pop(kind))))
    assert written == today


def _near(one: Any, other: Any) -> bool:
    """Whether values are equal, but for the last bits of numbers."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_near(value, other[name]) for name, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_near, one, other))
    if isinstance(one, float) or isinstance(other, float):
        return bool(one == pytest.approx(other, rel=1e-9, abs=1e-9))
    return bool(one == other)


def test_what_is_said_of_symbols_spaces_and_paths_is_that_of_today() -> None:
    assert json.loads((FOLDER / "vocabulary.json").read_text("utf-8")) == json.loads(json.dumps(vocabulary()))


def test_what_is_said_of_manifests_is_that_of_today() -> None:
    assert json.loads((FOLDER / "manifests.json").read_text("utf-8")) == json.loads(json.dumps(manifests()))


def test_what_is_said_of_files_of_tensors_is_that_of_today() -> None:
    assert json.loads((FOLDER / "tensor_files.json").read_text("utf-8")) == json.loads(json.dumps(tensor_files()))


def test_what_is_said_of_engines_is_that_of_today() -> None:
    written, today = json.loads((FOLDER / "engines.json").read_text("utf-8")), json.loads(json.dumps(engines()))
    for was, now in zip(written.pop("agreement"), today.pop("agreement"), strict=True):
        # numpy's sums and logarithms differ in the last bits from processor to processor
        assert now.pop("answer") == pytest.approx(was.pop("answer"), rel=1e-12)
        assert now == was
    assert written == today


def test_the_vectors_stay_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*.*") if not path.suffix.startswith(".py")) < 4_000_000
