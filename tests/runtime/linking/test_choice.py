"""Which engine of a component is taken, and what is said of the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import latentlink
from latentlink.bench.studies.faulty_bundles import copy_bundle
from latentlink.cli.shared.words import running, skipped
from latentlink.engine.bundle import Bundle, ComponentEntry, EngineEntry, Fact, write_bundle
from latentlink.engine.targets import fingerprint, machine, make_fingerprint
from latentlink.errors import BundleError, ExitStatus, PreflightError
from latentlink.runtime import bundle_path
from latentlink.runtime.linking import opening
from latentlink.runtime.sessions import Session, open_session

pytestmark = pytest.mark.usefixtures("both_loaders")

Edit = Callable[[ComponentEntry], ComponentEntry]


def gpu_engine(entry: ComponentEntry) -> EngineEntry:
    """An engine for GPUs; no machine that tests run on is asked to open it."""
    facts: dict[str, Fact] = {"compute_capability": ("8.0-12.x",), "cuda": "13.0"}
    made = make_fingerprint(target="tensorrt-rtx", facts=facts)
    return replace(entry.engines[0], target="tensorrt-rtx", fingerprint=made)


def edited(out: Path, edit: Edit) -> Path:
    """The demo bundle with its components' records changed."""
    folder = copy_bundle(bundle_path("demo"), out, {})
    manifest = Bundle.open(folder).manifest
    components = {name: edit(entry) for name, entry in manifest.components.items()}
    (folder / "manifest.json").unlink()
    write_bundle(folder, replace(manifest, components=components))
    return folder


@pytest.fixture(autouse=True)
def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_cuda", lambda: (None, ()))


@pytest.fixture
def both(tmp_path: Path) -> Path:
    return edited(tmp_path / "both", lambda entry: replace(entry, engines=(gpu_engine(entry), *entry.engines)))


def test_auto_takes_the_first_that_is_valid_here_and_says_why_not_the_ones_before(
    both: Path,
) -> None:
    with latentlink.load(both) as pipe:
        decisions = {one.component: one for one in pipe.decisions}
    assert {one.target for one in decisions.values()} == {"ort-cpu"}
    (reason,) = decisions["denoiser"].skipped
    assert (reason.target, reason.code, reason.found) == ("tensorrt-rtx", "no-device", "no CUDA device")
    assert "8.0-12.x" in reason.needed
    assert "--target ort-cpu" in reason.remedy
    assert "denoiser: ort-cpu (float32)" in running(pipe.decisions)
    (line,) = skipped(pipe.decisions)
    assert line.startswith("denoiser, text_encoder, vae_decoder, vae_encoder: tensorrt-rtx skipped: engine valid for")
    assert "8.0-12.x, this machine has no CUDA device" in line


@pytest.mark.python_runtime  # whose functions it replaces
def test_an_engine_that_its_own_runtime_refuses_is_skipped_too(both: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "CHECKS", ())  # what no fingerprint tells

    def refuse(path: Path, target: str, **asked: object) -> Session:
        if target == "tensorrt-rtx":
            raise PreflightError("The driver does not like it.", remedy="Be kind to it.")
        return open_session(path, target)

    monkeypatch.setattr(opening, "open_session", refuse)
    with latentlink.load(both) as pipe:
        (decision,) = (one for one in pipe.decisions if one.component == "denoiser")
    assert decision.target == "ort-cpu"
    (reason,) = decision.skipped
    assert (reason.code, reason.found, reason.remedy) == ("refused", "The driver does not like it", "Be kind to it.")
    with pytest.raises(PreflightError, match="The driver does not like it"):
        latentlink.load(both, target="tensorrt-rtx")


def test_a_target_that_was_asked_for_is_never_replaced_by_another(both: Path) -> None:
    with pytest.raises(PreflightError, match=r"can run here\. tensorrt-rtx: engine valid for compute capability"):
        latentlink.load(both, target="tensorrt-rtx")


def test_no_engine_for_this_machine_ends_with_its_own_exit_status(tmp_path: Path) -> None:
    only = edited(tmp_path / "only", lambda entry: replace(entry, engines=(gpu_engine(entry),)))
    with pytest.raises(PreflightError) as told:
        latentlink.load(only)
    assert told.value.status == ExitStatus.ENGINE_NOT_VALID_HERE
    assert "engine valid for compute capability 8.0-12.x, this machine has no CUDA device" in str(told.value)
    assert "--target ort-cpu" in str(told.value)


def test_a_target_that_the_bundle_was_not_built_for_is_told_with_those_that_it_has() -> None:
    with pytest.raises(PreflightError, match=r"has no tensorrt engine of .*; it has ort-cpu.* --target tensorrt"):
        latentlink.load("demo", target="tensorrt")


def test_an_edited_fingerprint_is_damage(tmp_path: Path) -> None:
    def edit(entry: ComponentEntry) -> ComponentEntry:
        engine = gpu_engine(entry)
        fingerprint = {**engine.fingerprint, "compute_capability": ("7.5",)}
        return replace(entry, engines=(replace(engine, fingerprint=fingerprint), *entry.engines))

    with pytest.raises(BundleError, match=r"fingerprint of the tensorrt-rtx engine of .* was edited"):
        latentlink.load(edited(tmp_path / "edited", edit))


def test_decisions_are_values_that_a_set_may_hold() -> None:
    with latentlink.load("demo") as one, latentlink.load("demo") as other:
        assert one.decisions == other.decisions
        assert {*one.decisions} == {*other.decisions}
