"""What the logger `latentlink` is told: what was skipped, mended or slow, and a line for each call; never a prompt."""

from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

import latentlink
from latentlink.runtime import Pipeline
from latentlink.runtime.linking import Decision
from latentlink.runtime.log import log_decisions
from latentlink.runtime.vae import autoencoder
from tests.runtime.linking.test_choice import edited, gpu_engine
from tests.runtime.linking.test_engine_memory import LARGEST
from tests.runtime.vae.test_guarded import SIDE, overflowing

PROMPT = "a red circle on a blue background"


@pytest.fixture(autouse=True)
def everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "latentlink")


def lines(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    """The lines of a level, of which every one is of this package; none has a prompt."""
    assert PROMPT not in caplog.text
    assert all(one.name.startswith("latentlink.") for one in caplog.records)
    return [one.getMessage() for one in caplog.records if one.levelno == level]


def test_engines_that_are_skipped_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    both = edited(tmp_path / "both", lambda entry: replace(entry, engines=(gpu_engine(entry), *entry.engines)))
    latentlink.load(both).close()
    warnings = lines(caplog, logging.WARNING)
    assert len(warnings) == 4
    assert f"denoiser of {both}: the engine for tensorrt-rtx was skipped: " in warnings[0]
    assert warnings[0].endswith(".")  # a remedy


def test_nodes_of_a_gpu_engine_on_the_cpu_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    fast = Decision(
        component="denoiser",
        bundle="demo",
        target="ort-cuda",
        precision="float16",
        placement={"CUDAExecutionProvider": 40},
    )
    slow = replace(fast, placement={"CUDAExecutionProvider": 40, "CPUExecutionProvider": 2})
    log_decisions([fast, slow])
    assert lines(caplog, logging.WARNING) == [
        "denoiser of demo: 2 of 42 nodes of its ort-cuda engine run on the CPU",
    ]


def test_a_picture_that_is_decoded_again_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with latentlink.load(overflowing(tmp_path, "vae_decoder", wide=True)) as pipe:
        pipe.generate(PROMPT, seed=1, steps=4, width=SIDE, height=SIDE)
    (warning,) = lines(caplog, logging.WARNING)
    assert ": picture 1 of 1 is black" in warning
    assert warning.endswith("; it is decoded again by the wider engine")


def test_a_latent_that_is_encoded_again_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with latentlink.load(overflowing(tmp_path, "vae_encoder", wide=True)) as pipe:
        pipe.encode(Image.new("RGB", (SIDE, SIDE), "red"))
    (warning,) = lines(caplog, logging.WARNING)
    assert warning.endswith("; it is encoded again by the wider engine")


@pytest.mark.parametrize(
    ("step_cache", "said"),
    [(2, "was measured with 50 steps, and is larger with 4"), (3, "was not measured on this model")],
)
def test_a_step_cache_that_was_not_measured_is_warned_of(
    step_cache: int, said: str, demo: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    demo.generate(PROMPT, seed=1, steps=4, step_cache=step_cache, guard="off")
    assert lines(caplog, logging.WARNING) == [f"demo: the effect of step_cache {step_cache} on the pictures {said}"]


def test_probes_that_run_are_told_with_their_seconds(caplog: pytest.LogCaptureFixture) -> None:
    latentlink.load("demo", verify=True).close()
    told = lines(caplog, logging.INFO)
    assert len(told) == 5
    assert told[0].startswith("denoiser of demo: its probes ran in ")


def test_an_engine_that_is_opened_again_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with latentlink.load("demo", engine_memory=LARGEST, verify=False) as pipe:
        pipe.generate(PROMPT, seed=1, steps=1, guard="off")
    again = [line for line in lines(caplog, logging.INFO) if "was opened again in" in line]
    assert [line.split()[0] for line in again] == ["denoiser", "vae_decoder"]  # the text encoder still fits


def test_a_picture_in_several_passes_is_told(
    demo: Pipeline, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autoencoder, "canvas_limits", lambda engine: ((8, 12), (8, 12)))
    demo.decode(demo.encode(Image.new("RGB", (128, 64), "red")), guard="off")
    assert lines(caplog, logging.INFO) == [
        f"{half} of demo runs in 2 passes for each picture" for half in ("vae_encoder", "vae_decoder")
    ]


def test_a_call_has_one_line_with_its_seconds(demo: Pipeline, caplog: pytest.LogCaptureFixture) -> None:
    made = demo.generate(PROMPT, seed=1, steps=2, guard="off")
    demo.encode(made.images)
    demo.decode(made.latents, guard="off")
    demo.preview(made.latents.array)
    told = lines(caplog, logging.DEBUG)
    assert [line.split(" took ")[0] for line in told] == [
        f"demo: {call}" for call in ("generate", "encode", "decode", "preview")
    ]
    assert all(f", {stage} " in told[0] for stage in made.timings if stage != "total")


def test_nothing_is_printed_unless_a_program_asks_for_it() -> None:
    program = (
        "import latentlink\n"
        "with latentlink.load('demo', verify=True) as pipe:\n"
        "    pipe.generate('a red circle', seed=1, steps=4, step_cache=2, guard='off')\n"
    )
    run = [sys.executable, "-W", "error", "-c"]
    quiet = subprocess.run([*run, program], capture_output=True, text=True, check=True)
    assert quiet.stdout + quiet.stderr == ""
    asked = subprocess.run(
        [*run, f"import logging; logging.basicConfig()\n{program}"], capture_output=True, text=True, check=True
    )
    assert asked.stderr.startswith("WARNING:latentlink.runtime.log:demo: the effect of step_cache 2 ")
    assert asked.stderr.count("\n") == 1


def test_the_command_line_prints_what_is_passed_over_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "latentlink", "generate", "demo", PROMPT, "-o", str(tmp_path / "a.png")]
    done = subprocess.run([*command, "--steps", "4", "--step-cache", "2"], capture_output=True, text=True, check=True)
    assert (done.stdout + done.stderr).count("step_cache 2") == 1
