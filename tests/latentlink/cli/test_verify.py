"""`latentlink verify` and `latentlink compat`: tables for people, JSON for machines, and what the exit status says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from latentlink.bench.studies.faulty_bundles import affine_input, copy_bundle
from latentlink.engine.bundle import Bundle
from latentlink.runtime import bundle_path

DEMO = bundle_path("demo")


def run(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "latentlink", *map(str, args)], capture_output=True, text=True, check=False
    )


def test_verify_prints_a_line_an_engine() -> None:
    done = run("verify", "demo")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["component", "target", "cosine", "PSNR", "worst", "threshold", "verdict"]
    assert [line.split()[-1] for line in lines[1:6]] == ["passed"] * 5


def test_verify_ends_with_4_where_an_engine_computes_something_else(tmp_path: Path) -> None:
    reads = Bundle.open(DEMO).manifest.components["vae_decoder"].inputs[0].tensor
    bad = copy_bundle(DEMO, tmp_path / "bad", {"vae_decoder": affine_input(reads, 1.0, 0.05)})
    done = run("verify", bad, "--json")
    assert done.returncode == 4
    assert "vae_decoder for ort-cpu does not compute what the reference computed: PSNR" in done.stderr
    engines = {engine["component"]: engine for engine in json.loads(done.stdout)["engines"]}
    assert engines["vae_decoder"]["verdict"] == "failed"
    assert engines["vae_decoder"]["psnr"] < engines["vae_decoder"]["threshold"]["psnr"]
    assert engines["vae_encoder"]["verdict"] == "passed"


def test_verify_ends_with_4_where_a_file_was_changed(tmp_path: Path) -> None:
    bad = copy_bundle(DEMO, tmp_path / "bad", {})
    path = bad / "probes" / "denoiser.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    done = run("verify", bad)
    assert done.returncode == 4
    assert "SHA-256" in done.stderr


def test_verify_tells_of_an_engine_for_another_machine_and_does_not_run_it(tmp_path: Path) -> None:
    bundle = copy_bundle(DEMO, tmp_path / "other", {})
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["components"]["vae_encoder"]["engines"][0]["target"] = "tensorrt"
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    done = run("verify", bundle, "--json")
    assert done.returncode == 5
    verdicts = {engine["component"]: engine["verdict"] for engine in json.loads(done.stdout)["engines"]}
    assert verdicts["vae_encoder"] == "not run"
    assert set(verdicts.values()) == {"not run", "passed"}


def test_verify_says_whether_another_decoder_reads_the_latents(tmp_path: Path) -> None:
    other = copy_bundle(DEMO, tmp_path / "other", {})
    done = run("verify", "demo", "--quick", "--vae-decoder", other, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["vae_decoder"]["accepted"] is True
    done = run("verify", "demo", "--quick", "--vae-decoder", "demo-b", "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["vae_decoder"]["accepted"] is False
    assert 'reads latent space "demo-b"' in done.stderr


def test_verify_wants_a_bundle_and_not_an_export(tiny_export: Path) -> None:
    done = run("verify", tiny_export)
    assert done.returncode == 2
    assert "latentlink build" in done.stderr


def test_compat_draws_every_denoiser_through_every_decoder(tmp_path: Path) -> None:
    done = run("compat", "demo", "demo-b", "-o", tmp_path / "sheet.png", "--steps", "10", "--json")
    assert done.returncode == 0, done.stderr
    pairs = {(p["denoiser"], p["decoder"]): p for p in json.loads(done.stdout)["pairings"]}
    assert {pair: p["verdict"] for pair, p in pairs.items()} == {
        ("demo", "demo"): "own",
        ("demo", "demo-b"): "refused",
        ("demo-b", "demo"): "refused",
        ("demo-b", "demo-b"): "own",
    }
    for pair in (("demo", "demo-b"), ("demo-b", "demo")):
        assert pairs[pair]["transfer_psnr"] > pairs[pair]["direct_psnr"] + 10
        assert "reads latent space" in pairs[pair]["reason"]
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert np.asarray(sheet.convert("L")).std() > 10


def test_compat_wants_a_denoiser_and_a_place_to_write_to(tmp_path: Path) -> None:
    assert run("compat", "demo", "-o", tmp_path / "sheet.txt").returncode == 2
