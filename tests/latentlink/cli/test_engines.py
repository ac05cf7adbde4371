"""The commands that open bundles say which engines they skipped, and `bench` measures the one it was asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from latentlink.bench.cost import measure
from latentlink.cli import group
from latentlink.engine.targets import machine
from latentlink.errors import PreflightError
from tests.runtime.linking.test_choice import edited, gpu_engine

PROMPT = "a red circle on a blue background"
SKIPPED = "denoiser, text_encoder, vae_decoder, vae_encoder: tensorrt-rtx skipped: engine valid for compute"


@pytest.fixture(autouse=True)
def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_cuda", lambda: (None, ()))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The demo bundle with engines for a GPU before its own."""
    out = tmp_path_factory.mktemp("bundles") / "both"
    return str(edited(out, lambda entry: replace(entry, engines=(gpu_engine(entry), *entry.engines))))


@pytest.fixture
def colds(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the processes that `bench` would start are told."""
    told: list[dict[str, Any]] = []

    def cold(bundle: str, prompt: str, settings: dict[str, Any]) -> tuple[float, float]:
        told.append(settings)
        return 1.0, 100.0

    monkeypatch.setattr(measure, "_cold", cold)
    monkeypatch.setattr(measure, "_import_seconds", lambda: 0.1)
    return told


def run(*arguments: str | Path) -> Result:
    done = CliRunner().invoke(group, [*map(str, arguments)])
    assert done.exit_code == 0, done.exception
    return done


def arguments(command: str, both: str, folder: Path) -> list[str | Path]:
    out = folder / "out.png"
    if command == "transfer":
        latents = folder / "a.safetensors"
        run("generate", "demo", PROMPT, "--output-latents", latents, "--steps", "8", "--seed", "7")
        return ["transfer", latents, "--from", both, "--to", "demo-b", "-o", folder / "b.safetensors"]
    commands: dict[str, list[str | Path]] = {
        "generate": ["generate", both, PROMPT, "-o", out, "--steps", "8"],
        "chain": ["chain", PROMPT, f"{both},steps=8", "-o", out],
        "compat": ["compat", both, "-o", out, "--steps", "1"],
    }
    return commands[command]


@pytest.mark.parametrize("command", ["generate", "transfer", "chain", "compat"])
def test_skipped_engines_are_printed_once_and_are_a_key_of_the_json(both: str, tmp_path: Path, command: str) -> None:
    asked = arguments(command, both, tmp_path)
    (line,) = (line for line in run(*asked).stdout.splitlines() if " skipped: " in line)
    assert line.startswith(f"{both}: {SKIPPED}" if command == "transfer" else SKIPPED)
    record = json.loads(run(*asked, "--json").stdout)
    found = record["stages"][0]["engines"] if command == "chain" else record["engines"]
    decisions = found if isinstance(found, list) else found[both]
    assert {(one["target"], one["precision"]) for one in decisions} == {("ort-cpu", "float32")}
    assert [(one["target"], one["code"]) for decision in decisions for one in decision["skipped"]] == [
        ("tensorrt-rtx", "no-device")
    ] * 4


def test_bench_says_which_engines_ran_and_which_were_skipped(
    both: str, colds: list[dict[str, Any]], tmp_path: Path
) -> None:
    file = tmp_path / "bench.json"
    shown = run("bench", both, "--steps", "1", "--repeats", "1", "--json", file).stdout
    assert "denoiser: ort-cpu (float32)" in shown
    assert shown.count(" skipped: ") == 1
    decisions = json.loads(file.read_text())["engines"]
    assert {(one["component"], one["target"]) for one in decisions} >= {("denoiser", "ort-cpu")}


def test_bench_measures_the_target_within_the_budget_that_it_was_asked_for(
    both: str, colds: list[dict[str, Any]], tmp_path: Path
) -> None:
    file = tmp_path / "bench.json"
    asked = ("--target", "ort-cpu", "--engine-memory", "8MB")
    shown = run("bench", both, *asked, "--steps", "1", "--repeats", "1", "--json", file).stdout
    assert "skipped" not in shown
    assert [(told["target"], told["engine_memory"]) for told in colds] == [("ort-cpu", 8_000_000)]
    record = json.loads(file.read_text())
    assert (record["target"], record["engine_memory"]) == ("ort-cpu", 8_000_000)


@pytest.mark.parametrize("command", ["transfer", "bench"])
def test_a_target_that_cannot_run_here_is_refused_before_anything_is_done(
    both: str, colds: list[dict[str, Any]], tmp_path: Path, command: str
) -> None:
    asked = arguments("transfer", both, tmp_path) if command == "transfer" else ["bench", both]
    done = CliRunner().invoke(group, [*map(str, asked), "--target", "tensorrt-rtx"])
    assert isinstance(done.exception, PreflightError)
    assert not colds
    assert not (tmp_path / "b.safetensors").exists()
