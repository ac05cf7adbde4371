"""The command line: exit statuses and single sentences, in processes of their own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from latentlink.cli import COMMANDS
from latentlink.ports import condition_port
from latentlink.runtime import bundle_path
from latentlink.spaces import digest

PROMPT = "a red circle on a blue background"


def run(*arguments: str | Path, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "latentlink", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=cwd, env={**os.environ, "COLUMNS": "200", **more}
    )


def refused(done: subprocess.CompletedProcess[str], status: int) -> str:
    """The one sentence of a refusal."""
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr


def test_a_picture_its_seed_and_its_latents_are_written(tmp_path: Path) -> None:
    out, latents = tmp_path / "out.png", tmp_path / "out.safetensors"
    done = run("generate", "demo", PROMPT, "-o", out, "--steps", "4", "--output-latents", latents, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["files"] == [str(out), str(latents)]
    again = tmp_path / "again.png"
    run("generate", "demo", PROMPT, "-o", again, "--steps", "4", "--seed", str(report["seed"]))
    assert again.read_bytes() == out.read_bytes()
    shown = json.loads(run("inspect", latents, "--json").stdout)
    assert shown["space"]["name"] == "demo"


def test_several_pictures_are_numbered(tmp_path: Path) -> None:
    run("generate", "demo", PROMPT, PROMPT, "-o", tmp_path / "x.png", "--num-images", "2", "--steps", "2")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x-1.png", "x-2.png", "x-3.png", "x-4.png"]


def test_latents_are_transferred(tmp_path: Path) -> None:
    a, b = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    run("generate", "demo", PROMPT, "-o", tmp_path / "a.png", "--output-latents", a)
    done = run("transfer", a, "--from", "demo", "--to", "demo-b", "-o", b, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["round_trip_psnr"] > 20
    assert json.loads(run("inspect", b, "--json").stdout)["space"]["name"] == "demo-b"


def test_a_tensor_without_metadata_is_transferred_where_its_space_is_said(tmp_path: Path) -> None:
    a, b = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_file({"samples": np.zeros((4, 8, 7), np.float32)}, a)
    arguments = ("transfer", a, "--from", "demo", "--to", "demo-b", "-o", b)
    assert "--space NAME" in refused(run(*arguments), 2)
    assert "'demo-c'; expected one of: sd, sdxl" in refused(run(*arguments, "--space", "demo-c"), 2)
    assert "--fit" in refused(run(*arguments, "--space", "demo"), 2)
    # zeros are a picture of one colour, and the model draws none
    done = run(*arguments, "--space", "demo", "--fit", "--guard", "off")
    assert "decoded by demo, resized from 56x64 to 64x64, encoded by demo-b; round trip" in done.stdout
    assert json.loads(run("inspect", a, "--space", "demo", "--json").stdout)["level"] is None


def test_latents_of_another_space_end_with_3_and_the_command_that_moves_them(tmp_path: Path) -> None:
    a = tmp_path / "a.safetensors"
    run("generate", "demo", PROMPT, "--output-latents", a, "--steps", "2")
    text = refused(run("generate", "demo-b", PROMPT, "-o", tmp_path / "x.png", "--init-latents", a), 3)
    assert f"latentlink transfer {a} --from BUNDLE --to demo-b" in text


def test_a_chain_tells_its_stages_and_hops_and_keeps_its_pictures(tmp_path: Path) -> None:
    arguments = (
        "chain",
        PROMPT,
        "demo,steps=10,guidance_interval=0.3,5.4",
        "demo-b,steps=10,strength=0.5,prompt=a red, green square",
    )
    done = run(*arguments, "-o", "x.png", "--seed", "7", "--keep", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, hop, second, files = done.stdout.splitlines()
    assert first.startswith("stage 1, demo: from noise, seed 7")
    assert hop.startswith("  decoded by demo, encoded by demo-b; round trip")
    assert second.startswith("stage 2, demo-b: strength 0.5, seed 8")
    assert files == "x-stage1.png, x.png"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x-stage1.png", "x.png"]
    report = json.loads(run(*arguments, "-o", "x.png", "--json", cwd=tmp_path).stdout)
    assert report["stages"][1]["prompts"] == ["a red, green square"]
    assert report["hops"][0]["kind"] == "transfer"


def test_previews_are_written_beside_the_picture(tmp_path: Path) -> None:
    options = ("--steps", "4", "--preview-every", "2", "--preview-decoder", "demo-tiny")
    done = run("generate", "demo", PROMPT, "-o", "x.png", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("x-step2.png, x.png: seed")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x-step2.png", "x.png"]


def test_a_foreign_decoder_ends_with_3(tmp_path: Path) -> None:
    done = run("generate", "demo", PROMPT, "-o", tmp_path / "x.png", "--replace", "vae_decoder=demo-b")
    text = refused(done, 3)
    assert 'reads latent space "demo-b"' in text
    assert "latentlink transfer --from demo --to demo-b" in text


def test_latents_that_are_too_large_end_with_6_and_are_kept_where_guards_are_off(tmp_path: Path) -> None:
    import numpy as np

    from latentlink.runtime import Latents

    latents, out = tmp_path / "a.safetensors", tmp_path / "a.png"
    run("generate", "demo", PROMPT, "--output-latents", latents, "--steps", "10")
    small = Latents.load(latents)
    Latents(array=small.array * np.float32(5), space=small.space).save(latents)
    again = ("generate", "demo", PROMPT, "--init-latents", latents, "--strength", "0.1", "-o", out, "--steps", "10")
    text = refused(run(*again), 6)
    assert "Guard after --init-latents: the latent has a root mean square of" in text
    assert "as a model of this space wrote them" in text
    assert not out.exists()
    assert run(*again, "--guard", "off").returncode == 0
    assert out.exists()


def test_a_bundle_is_calibrated_in_place_and_twice_alike(tmp_path: Path) -> None:
    from latentlink.runtime import bundle_path

    copy, prompts = tmp_path / "bundle", tmp_path / "prompts.txt"
    shutil.copytree(bundle_path("demo"), copy)
    prompts.write_text(f"{PROMPT}\n\na white star on a green background\n")
    command = ("calibrate", copy, "--prompts", prompts, "--count", "3", "--steps", "4")
    before = (copy / "manifest.json").read_bytes()
    done = run(*command, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ranges"][0]["level"] == 0
    first = (copy / "manifest.json").read_bytes()
    assert first != before
    assert run(*command).returncode == 0
    assert (copy / "manifest.json").read_bytes() == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "prompts.txt"]
    assert run("generate", copy, PROMPT, "-o", tmp_path / "x.png", "--steps", "4").returncode == 0


def test_a_damaged_bundle_ends_with_4(tmp_path: Path) -> None:
    from latentlink.runtime import bundle_path

    copy = tmp_path / "bundle"
    shutil.copytree(bundle_path("demo"), copy)
    weights = next(copy.rglob("denoiser/ort-cpu/*.data"))
    data = bytearray(weights.read_bytes())
    data[1000] ^= 1
    weights.write_bytes(data)
    assert "SHA-256" in refused(run("generate", copy, PROMPT, "-o", tmp_path / "x.png"), 4)


def test_an_engine_of_a_newer_runtime_ends_with_5(tmp_path: Path) -> None:
    from latentlink.runtime import bundle_path

    copy = tmp_path / "bundle"
    shutil.copytree(bundle_path("demo"), copy)
    manifest = copy / "manifest.json"
    record = json.loads(manifest.read_text())
    fingerprint = record["components"]["denoiser"]["engines"][0]["fingerprint"] | {"runtime": ["onnxruntime 9.0.0"]}
    del fingerprint["digest"]
    fingerprint["digest"] = digest(fingerprint)
    record["components"]["denoiser"]["engines"][0]["fingerprint"] = fingerprint
    manifest.write_text(json.dumps(record))
    text = refused(run("generate", copy, PROMPT, "-o", tmp_path / "x.png"), 5)
    assert "onnxruntime 9.0.0 or later" in text


def test_conditions_are_shown_with_their_defaults(tmp_path: Path) -> None:
    from latentlink.runtime import bundle_path

    copy = tmp_path / "bundle"
    shutil.copytree(bundle_path("demo"), copy)
    manifest = copy / "manifest.json"
    record = json.loads(manifest.read_text())
    record["sampling"]["conditions"] = {"original_size": [[0, 0], None], "score": [[6.0], [2.5]]}
    record["components"]["denoiser"]["inputs"] += [
        {"tensor": port.tensor, "shape": list(port.shape)}
        for port in (condition_port("original_size", 2), condition_port("score", 1))
    ]
    manifest.write_text(json.dumps(record))
    shown = run("inspect", copy).stdout.splitlines()
    assert "condition original_size: 0, 0 by default" in shown
    assert "condition score: 6 by default, 2.5 for the negative prompt" in shown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["generate", "nowhere", PROMPT, "-o", "x.png"], "nowhere"),
        (
            ["generate", "demo", PROMPT, "-o", "x.png", "--steps", "0"],
            "--steps is 0; expected a whole number",
        ),
        (["generate", "demo", PROMPT, "-o", "x.png", "--steps", "many"], "many"),
        (["generate", "demo", PROMPT, "-o", "x.png", "--guard", "no"], "no"),
        (["calibrate", "demo", "--prompts", "nowhere.txt"], "There is no file 'nowhere.txt'"),
        (["calibrate", "demo", "--prompts", "/dev/null"], "is a device, pipe or socket"),
        (["calibrate", "demo", "out", "--prompts", __file__], "OUT and --precision go together"),
        (["calibrate", "demo", "--prompts", __file__, "--observer", "mse"], "expected --precision beside it"),
        (["calibrate", "demo", "--prompts", __file__, "--judge", "demo"], "expected one of --precision, --step-cache"),
        (["calibrate", "demo", "--prompts", __file__, "--step-cache", "2", "--beside", "x"], "expected one of them"),
        (
            ["calibrate", "x", "out", "--prompts", __file__, "--precision", "int8", "--step-cache", "2"],
            "Received --precision and --step-cache; expected one of them",
        ),
        (["calibrate", "demo", "--prompts", __file__, "--step-cache", "2"], "comes with the package"),
        (["calibrate", "nowhere", "out", "--prompts", __file__, "--precision", "int8"], "nowhere"),
        (
            ["calibrate", "nowhere", "out", "--prompts", __file__, "--precision", "int4"],
            "expected one of: int8, fp8",
        ),
        (["generate", "demo", PROMPT, "-o", "x.png", "--sampler", "ddimm"], "Did you mean 'ddim'"),
        (["generate", "demo", PROMPT, "-o", "x.png", "--engine-memory", "5MB"], "denoiser of demo has 7.0 MB"),
        (["generate", "demo", PROMPT, "-o", "x.png", "--width", "65"], "multiple of 16"),
        (["generate", "demo", "a (red:12.0) circle", "-o", "x.png"], "The weight in '(red:12.0)' is 12"),
        (["generate", "demo", "a \udcff circle", "-o", "x.png"], "which is no text"),  # the byte FF
        (["generate", "demo", PROMPT, "-o", "x.xyz"], "x.xyz"),
        (["generate", "demo", PROMPT, "-o", "x.psd"], "x.psd"),
        (["generate", "demo", PROMPT, "-o", "nodir/x.png"], "nodir"),
        (["generate", "demo", PROMPT, "--output-latents", "nodir/x.safetensors"], "There is no directory 'nodir'"),
        (["generate", "demo", PROMPT, "-o", "x.png", "--replace", "vae_decoder"], "COMPONENT=BUNDLE"),
        (["generate", "demo", PROMPT], "--output"),
        (
            ["generate", "demo", PROMPT, "--output-latents", "x.safetensors", "--preview-every", "2"],
            "expected -o PICTURE",
        ),
        (["generate", "demo", PROMPT, "-o", "x.png", "--preview-decoder", "demo-tiny"], "Give --preview-every N"),
        (
            ["generate", "demo", PROMPT, "-o", "x.png", "--guidance-interval", "20,30"],
            "none of this run's noise levels",
        ),
        (["export", "nowhere", "out"], "no checkpoint"),
        (["export", ".", "out"], "model_index.json"),
        (["export", ".", "out", "--space-of", "nowhere"], "nowhere"),
        (["export", ".", "out", "--space-of", "demo", "--space", "sd"], "--space sd and --space-of demo; expected one"),
        (["build", "nowhere", "out"], "nowhere"),
        (["build", str(bundle_path("demo")), "out", "--width", "wide"], "wide"),
        (["build", str(bundle_path("demo")), "out", "--target", "abacus"], "abacus"),
        (["inspect", "nowhere"], "nowhere"),
        (
            ["transfer", "nowhere.safetensors", "--from", "demo", "--to", "demo-b", "-o", "y.safetensors"],
            "nowhere.safetensors",
        ),
        (["generate", "demo", PROMPT, "-o", "x.png", "--space", "sd"], "Leave it out"),
        (["inspect", "demo", "--space", "sd"], "'demo' is none"),
        (["chain", PROMPT, "demo", "demo-b", "-o", "x.png"], "no strength"),
        (["chain", PROMPT, "demo", "demo-b,strenght=1", "-o", "x.png"], "KEY is one of: negative_prompt, seed"),
        (["chain", PROMPT, "demo", "demo-b,strength=a", "-o", "x.png"], "strength is 'a'"),
        (["chain", PROMPT, "demo,steps=4,steps=5", "-o", "x.png"], "has steps twice"),
        (["chain", PROMPT, "demo,guidance_interval=1", "-o", "x.png"], "'1' is not an interval of noise levels"),
        (["chain", PROMPT, "nowhere", "-o", "x.png"], "nowhere"),
        (["paint"], "paint"),
    ],
)
def test_bad_input_ends_with_2_and_writes_nothing(tmp_path: Path, arguments: list[str], says: str) -> None:
    assert says in refused(run(*arguments, cwd=tmp_path), 2)
    assert [*tmp_path.iterdir()] == []


def test_help_lists_the_commands_and_the_exit_statuses() -> None:
    text = run("--help").stdout
    for word in (*COMMANDS, "3 link refused"):
        assert word in " ".join(text.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str) -> None:
    text = run(command, "--help").stdout
    assert f"latentlink {command}" in text.split("Example")[1]


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    # the error that a full disk raises, where the writer makes sure that its bytes arrived
    out = tmp_path / "out.png"
    code = (
        "import errno, sys\n"
        "from latentlink import files\n"
        "def full(path): raise OSError(errno.ENOSPC, 'No space left on device', str(path))\n"
        "files._sync = full\n"
        "from latentlink.cli import main\n"
        f"sys.argv = ['latentlink', 'generate', 'demo', {PROMPT!r}, '-o', {str(out)!r}, '--steps', '2']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "disk is full" in refused(done, 1)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("raised", "says"),
    [
        ("", "latentlink: Out of memory. Use a smaller size or batch.\n"),
        ("The GPU has none left.", "latentlink: The GPU has none left. Use a smaller size or batch.\n"),
    ],
)
def test_want_of_memory_ends_with_1_and_whose_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], raised: str, says: str
) -> None:
    from latentlink import cli

    def fail(**_: object) -> None:
        raise MemoryError(raised)

    monkeypatch.setattr(cli.group, "main", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == says


def test_ctrl_c_during_a_build_keeps_the_old_bundle(tiny_export: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    shutil.copytree(tiny_bundle, out)
    before = (out / "manifest.json").read_bytes()
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job inherits it ignored
        "from latentlink.engine.builders import ort as ort_builder\n"
        "def slow(*_): print('building', flush=True); time.sleep(60)\n"
        "ort_builder.build_engine = slow\n"
        "from latentlink.cli import main\n"
        f"sys.argv = ['latentlink', 'build', {str(tiny_export)!r}, {str(out)!r}]\n"
        "main()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "building\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert "Interrupted" in err
    assert "Traceback" not in err
    assert (out / "manifest.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
