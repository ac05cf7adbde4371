"""A component's record: its engines belong to its ports, and to one graph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import latentlink
from latentlink.bench.studies.faulty_bundles import copy_bundle, disguise
from latentlink.engine.bundle import Bundle, Manifest
from latentlink.engine.bundle.component_entry import ports_digest
from latentlink.errors import BundleError
from latentlink.runtime import bundle_path
from latentlink.runtime.probing.verify import verify

ENTRY = Bundle.open(bundle_path("demo"), check_files=False).manifest.components["vae_decoder"]
OTHER = Bundle.open(bundle_path("demo-b"), check_files=False).manifest.components["vae_decoder"]


def test_a_fingerprint_names_the_ports_of_its_component() -> None:
    (engine,) = ENTRY.engines
    assert engine.fingerprint["ports"] == ports_digest(ENTRY.inputs, ENTRY.outputs)
    with pytest.raises(BundleError, match=r"engines\[0\]\.fingerprint\.ports: received .*the component's ports"):
        replace(ENTRY, engines=OTHER.engines).check_fingerprints()
    with pytest.raises(BundleError, match="ports"):
        replace(ENTRY, inputs=OTHER.inputs).check_fingerprints()
    unnamed = {key: fact for key, fact in engine.fingerprint.items() if key != "ports"}
    replace(ENTRY, engines=(replace(engine, fingerprint=unnamed),)).check_fingerprints()


def test_engines_of_one_precision_come_from_one_graph() -> None:
    (engine,) = ENTRY.engines
    stranger = disguise(engine, {"source": OTHER.engines[0].fingerprint["source"]}, target="openvino-cpu", path="m.xml")
    with pytest.raises(BundleError, match=r"engines\[1\]\.fingerprint\.source: received .* other float32 engine"):
        replace(ENTRY, engines=(engine, stranger)).check_fingerprints()
    wider = replace(engine, precision="float16")
    replace(ENTRY, engines=(wider, stranger)).check_fingerprints()


@pytest.mark.parametrize("fact", ["ports", "source"])
def test_a_bundle_with_a_fingerprint_of_something_else_is_not_loaded(fact: str, tmp_path: Path) -> None:
    def change(manifest: Manifest) -> Manifest:
        entry = manifest.components["vae_decoder"]
        (engine,) = entry.engines
        forged = disguise(engine, {fact: "00000000"})
        engines = (forged,) if fact == "ports" else (engine, forged)
        return replace(manifest, components={**manifest.components, "vae_decoder": replace(entry, engines=engines)})

    bad = copy_bundle(bundle_path("demo"), tmp_path / "bad", {}, change)
    with pytest.raises(BundleError, match=f"fingerprint.{fact}: received '00000000'"):
        latentlink.load(bad, verify=False)
    failed = {row.component for row in verify(Bundle.open(bad), quick=True) if row.verdict == "failed"}
    assert failed == {"vae_decoder"}


def test_a_bundle_is_known_by_the_hash_of_its_manifest_only_if_its_files_were_hashed(tmp_path: Path) -> None:
    copy = copy_bundle(bundle_path("demo-tiny"), tmp_path / "copy", {})
    before = Bundle.open(copy).sha256
    assert before is not None
    assert Bundle.open(copy, check_files=False).sha256 is None
    with (copy / "manifest.json").open("a") as manifest:
        manifest.write(" ")
    assert Bundle.open(copy).sha256 not in (None, before)
