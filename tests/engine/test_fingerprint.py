"""Preflight: what an engine needs is compared with what is here, without opening it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from latentlink.engine import fingerprint
from latentlink.engine.fingerprint import make_fingerprint, preflight
from latentlink.engine.manifest import EngineEntry, Fact


def entry(facts: Mapping[str, Fact], target: str = "ort-cpu") -> EngineEntry:
    return EngineEntry(target=target, precision="float32", path="engines/x/y/model.onnx", fingerprint=facts)


def test_an_engine_built_here_is_valid_here() -> None:
    assert preflight(entry(make_fingerprint(target="ort-cpu", facts={"source": "1"}))) is None


def test_the_digest_changes_with_every_fact() -> None:
    one = make_fingerprint(target="ort-cpu", facts={"source": "1"})
    other = make_fingerprint(target="ort-cpu", facts={"source": "2"})
    assert one["digest"] != other["digest"]
    assert one == make_fingerprint(target="ort-cpu", facts={"source": "1"})


@pytest.mark.parametrize(
    ("found", "needed", "code"),
    [
        ("1.32.0", "1.32.5", None),
        ("1.33.0", "1.32.0", None),
        ("2.0.0", "1.32.0", None),
        ("1.9.0", "1.32.0", "runtime-version"),
        ("1.31.9", "1.32.0", "runtime-version"),
        (None, "1.32.0", "no-runtime"),
    ],
)
def test_an_older_runtime_than_the_builders_is_refused(
    monkeypatch: pytest.MonkeyPatch, found: str | None, needed: str, code: str | None
) -> None:
    monkeypatch.setattr(fingerprint, "installed_version", lambda packages: found)
    finding = preflight(entry({"runtime": f"onnxruntime {needed}"}))
    assert (finding.code if finding else None) == code
    if finding is not None:
        assert "pip install" in str(finding) or "latentlink build" in str(finding)


def test_a_target_that_is_not_known_is_told_with_the_known_ones() -> None:
    finding = preflight(entry({}, target="abacus"))
    assert finding is not None
    assert finding.code == "unknown-target"
    assert "ort-cpu" in str(finding)
