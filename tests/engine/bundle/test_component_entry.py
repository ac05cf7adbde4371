"""A component's record: its engines belong to its ports, and to one graph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from latentlink.bench.studies.faulty_bundles import copy_bundle, disguise
from latentlink.engine.bundle import Bundle
from latentlink.engine.bundle.component_entry import ports_digest
from latentlink.errors import BundleError
from latentlink.runtime import bundle_path

ENTRY = Bundle.open(bundle_path("demo"), check_files=False).manifest.components["vae_decoder"]
OTHER = Bundle.open(bundle_path("demo-b"), check_files=False).manifest.components["vae_decoder"]


def test_a_fingerprint_names_the_ports_of_its_component() -> None:
    (engine,) = ENTRY.engines
    assert engine.fingerprint["ports"] == ports_digest(ENTRY.inputs, ENTRY.outputs)
    with pytest.raises(BundleError, match=r"engines\[0\]\.fingerprint\.ports: received .*the component's ports"):
        replace(ENTRY, engines=OTHER.engines)
    with pytest.raises(BundleError, match="ports"):
        replace(ENTRY, inputs=OTHER.inputs)
    unnamed = {key: fact for key, fact in engine.fingerprint.items() if key != "ports"}
    assert replace(ENTRY, engines=(replace(engine, fingerprint=unnamed),)).inputs == ENTRY.inputs


def test_engines_of_one_precision_come_from_one_graph() -> None:
    (engine,) = ENTRY.engines
    stranger = disguise(engine, {"source": OTHER.engines[0].fingerprint["source"]}, target="openvino-cpu", path="m.xml")
    with pytest.raises(BundleError, match=r"engines\[1\]\.fingerprint\.source: received .* other float32 engine"):
        replace(ENTRY, engines=(engine, stranger))
    wider = replace(engine, precision="float16")
    assert len(replace(ENTRY, engines=(wider, stranger)).engines) == 2


def test_a_bundle_is_known_by_the_hash_of_its_manifest_only_if_its_files_were_hashed(tmp_path: Path) -> None:
    copy = copy_bundle(bundle_path("demo-tiny"), tmp_path / "copy", {})
    before = Bundle.open(copy).sha256
    assert before is not None
    assert Bundle.open(copy, check_files=False).sha256 is None
    with (copy / "manifest.json").open("a") as manifest:
        manifest.write(" ")
    assert Bundle.open(copy).sha256 not in (None, before)
