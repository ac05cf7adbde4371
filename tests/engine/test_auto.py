"""`--target auto`: what this machine has is built, the fastest that passes its probes is kept, the rest is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from latentlink.cli import group
from latentlink.engine import auto, feasible
from latentlink.engine.auto import find_targets, time_engines
from latentlink.engine.build import build_bundle
from latentlink.engine.builders import BuildOptions, gpu_kinds
from latentlink.engine.bundle import Arrays, Bundle, Manifest, RunEngine
from latentlink.engine.targets import TARGETS, Machine, fingerprint
from latentlink.engine.targets.machine import Gpu
from latentlink.errors import PreflightError, UsageError
from latentlink.runtime.probing import opener

CPU = {"openvino": "2026.4.1", "onnxruntime": "1.32.0"}
EVERYTHING = {
    name: "1.0"
    for target in TARGETS.values()
    for package in (*target.packages, *target.runtime_packages)
    for name in (*package.distributions, package.soname)
}


class Stopwatch:
    """A clock that goes on only when an engine runs."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self.seconds = seconds
        self.now = 0.0
        self.opened: list[str] = []
        self.inputs: dict[str, list[Arrays]] = {}

    def __call__(self) -> float:
        return self.now

    def timed(self, name: str, run: RunEngine) -> RunEngine:
        def one(inputs: Arrays) -> Arrays:
            self.now += self.seconds[name]
            self.inputs.setdefault(name, []).append(inputs)
            return run(inputs)

        return one

    @contextmanager
    def open(self, path: Path, target: str) -> Iterator[RunEngine]:
        component = path.parent.parent.name
        self.opened.append(f"{component} {target}")
        with opener(path, target) as run:
            yield self.timed(f"{component} {target}", run)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[Machine]:
    """The machine that is asked, to be replaced; it has both packages for the processor, and no GPU."""
    found = [Machine(os="linux", architecture="x86_64", versions=CPU, processor="a Zen 3")]
    for module in (auto, gpu_kinds, fingerprint, feasible):
        monkeypatch.setattr(module, "this_machine", lambda: found[0])
    return found


def test_the_candidates_are_the_targets_that_the_machine_builds_and_runs(
    small_manifest: Manifest, here: list[Machine]
) -> None:
    assert find_targets(small_manifest, BuildOptions()).targets == ("openvino-cpu", "ort-cpu")
    here[0] = replace(here[0], versions={"onnxruntime": "1.32.0"})
    found = find_targets(small_manifest, BuildOptions())
    assert found.targets == ("ort-cpu",)
    skipped = {one.target: one for one in found.skipped}
    assert {*skipped} == {*TARGETS} - {"ort-cpu"}
    openvino = skipped["openvino-cpu"].reason
    assert (openvino.code, openvino.needed, openvino.found) == ("no-runtime", "OpenVINO", "none")
    gpu = Gpu(name="an Ada GPU", capability=(8, 9), memory=1 << 34)
    here[0] = replace(here[0], versions=EVERYTHING, gpus=(gpu,), driver=(13, 0))
    assert find_targets(small_manifest, BuildOptions()).targets == tuple(TARGETS)
    assert find_targets(small_manifest, BuildOptions(refit=True)).targets == ("tensorrt", "tensorrt-rtx")


def test_without_a_candidate_each_targets_reason_is_told(small_manifest: Manifest, here: list[Machine]) -> None:
    with pytest.raises(PreflightError, match=r"openvino-cpu: .*a Zen 3 without.*; ort-cpu: .*not compute in bfloat16"):
        find_targets(small_manifest, BuildOptions(precision="bf16"))
    here[0] = replace(here[0], instructions=frozenset({"avx512_bf16"}))
    assert find_targets(small_manifest, BuildOptions(precision="bf16")).targets == ("openvino-cpu",)
    with pytest.raises(UsageError, match="Unknown precision 'int7'"):
        find_targets(small_manifest, BuildOptions(precision="int7"))


def test_engines_run_in_turns_and_the_median_counts() -> None:
    watch = Stopwatch({"slow": 0.4, "fast": 0.3})
    order: list[str] = []

    def opening(name: str) -> auto.BoundOpener:
        @contextmanager
        def opened() -> Iterator[RunEngine]:
            order.append(name)
            yield watch.timed(name, lambda inputs: inputs)

        return opened

    found = time_engines({name: opening(name) for name in ("slow", "fast")}, {}, watch)
    assert [*found] == ["fast", "slow"]
    assert found == pytest.approx({"fast": 0.3, "slow": 0.4})
    assert order == ["slow", "fast", "fast", "slow"]
    assert len(watch.inputs["fast"]) == auto.ROUNDS * (1 + auto.MIN_RUNS)  # the first of a round is not timed


def test_an_engine_of_milliseconds_is_run_more_often() -> None:
    watch = Stopwatch({"tiny": 0.001})

    @contextmanager
    def opened() -> Iterator[RunEngine]:
        yield watch.timed("tiny", lambda inputs: inputs)

    assert time_engines({"tiny": opened}, {}, watch) == pytest.approx({"tiny": 0.001})
    assert len(watch.inputs["tiny"]) == auto.ROUNDS * (1 + auto.MAX_RUNS)


def test_each_component_keeps_its_fastest_engine_that_passes_and_what_was_measured(
    tiny_export: Path, tmp_path: Path
) -> None:
    names = ("text_encoder", "denoiser", "vae_decoder", "vae_encoder")
    slower = {"denoiser ort-cpu", "text_encoder openvino-cpu", "vae_decoder ort-cpu", "vae_encoder ort-cpu"}
    pairs = [f"{name} {target}" for name in names for target in ("ort-cpu", "openvino-cpu")]
    watch = Stopwatch({pair: 0.9 if pair in slower else 0.5 for pair in pairs})

    @contextmanager
    def wrong(path: Path, target: str) -> Iterator[RunEngine]:
        """The decoder that OpenVINO would be faster with paints everything black."""
        with watch.open(path, target) as run:
            bad = target == "openvino-cpu" and "vae_decoder" in path.parts
            yield (lambda inputs: {name: np.zeros_like(array) for name, array in run(inputs).items()}) if bad else run

    report = build_bundle(tiny_export, tmp_path / "auto", targets=("auto",), opener=wrong, clock=watch)
    manifest = Bundle.open(tmp_path / "auto").manifest
    kept = {name: [engine.target for engine in entry.engines] for name, entry in manifest.components.items()}
    assert kept == {
        "text_encoder": ["ort-cpu"],
        "denoiser": ["openvino-cpu"],
        "vae_decoder": ["ort-cpu"],
        "vae_encoder": ["openvino-cpu"],
    }
    assert report.manifest == manifest
    assert [(one.code, one.component, one.target) for one in report.dropped] == [
        ("disagrees", "vae_decoder", "openvino-cpu"),
        ("failed", "vae_decoder", "openvino-cpu"),
    ]
    assert [one.code for one in report.dropped[0].shortfalls] == ["psnr", "worst"]
    assert report.dropped[0].summary() == manifest.provenance["left_out.vae_decoder.openvino-cpu.float32"]
    assert not report.unchecked
    assert {*report.comparisons} == {*manifest.components}
    assert {*report.to_json()} - {*manifest.to_json()} == {"precisions", "dropped", "skipped", "unchecked"}
    measured = report.comparisons["denoiser"]
    assert [(one.target, one.reason) for one in measured.candidates] == [("openvino-cpu", ""), ("ort-cpu", "")]
    assert [one.seconds for one in measured.candidates] == pytest.approx([0.5, 0.9])
    assert all(one.worst is not None and one.worst <= 1e-4 for one in measured.candidates)
    # timed on the model's own size, with both rows that guidance takes
    x = next(port for port in manifest.components["denoiser"].inputs if port.slot == "x")
    side = manifest.sampling.width // x.size("f")
    assert {dim: measured.sizes[dim] for dim in ("B", "N", "h", "w")} == {"B": 1, "N": 2, "h": side, "w": side}
    assert watch.inputs["denoiser ort-cpu"][-1][x.tensor].shape == (1, 4, side, side)
    decoder = manifest.components["vae_decoder"].measured
    assert decoder is not None
    taken, dropped = decoder.candidates
    assert (taken.target, taken.reason) == ("ort-cpu", "")
    assert (dropped.target, dropped.seconds) == ("openvino-cpu", None)
    assert "agrees with its probes: PSNR" in dropped.reason

    shown = CliRunner().invoke(group, ["inspect", str(tmp_path / "auto")]).output
    assert "  openvino-cpu float32: 0.5 s, PSNR" in shown
    assert "  openvino-cpu float32: dropped: No engine of vae_decoder" in shown


def test_auto_stands_alone(tiny_export: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="stands alone: received auto, ort-cpu"):
        build_bundle(tiny_export, tmp_path / "out", targets=("auto", "ort-cpu"))
    with pytest.raises(UsageError, match="Unknown target 'abacus'; expected one of: auto, tensorrt, "):
        build_bundle(tiny_export, tmp_path / "out", targets=("abacus",))
