"""The generate loop is recorded: steps of every noise level, both halves of guidance, and only once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latentlink.calibration.latent_ranges import measure_ranges
from latentlink.calibration.recording import STRATA, Recording, runs_of
from latentlink.demo.prompts import calibration_prompts
from latentlink.ports import COEFFICIENTS
from latentlink.runtime import Pipeline
from latentlink.runtime.sessions.ort import OrtSession

PROMPTS = calibration_prompts()[:3]
STEPS = 8


@pytest.fixture(scope="module")
def recording(demo: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    made = Recording(tmp_path_factory.mktemp("recorded"), runs_of(demo, 10))
    made.record(demo, PROMPTS, steps=STEPS, seed=4)
    return made


def port(pipe: Pipeline, kind: str) -> str:
    session = next(engine.session for engine in pipe.engines if engine.component == "denoiser")
    return next(port.tensor for port in session.inputs if port.kind == kind)


def test_text_other_guidance_pictures_and_masks_are_run(demo: Pipeline) -> None:
    kinds = [run.kind for run in runs_of(demo, 10)]
    assert kinds == ["text", "text", "guidance", "guidance", "guidance", "img2img", "inpaint"]


def test_every_run_keeps_a_step_of_each_quarter_for_one_picture_and_both_its_halves(
    demo: Pipeline, recording: Recording
) -> None:
    coefficients, text, guidance = (port(demo, kind) for kind in ("coefficients", "text", "guidance"))
    samples = list(recording.samples())
    t = np.array([sample[coefficients][0, COEFFICIENTS.index("t")] for sample in samples]).reshape(-1, STRATA)
    assert t.shape[0] == len(recording.runs)
    for run, times in zip(recording.runs, t, strict=True):
        assert (np.diff(times) < 0).all()
        if run.kind == "text":
            assert [int(4 - time * 4 / 1000) for time in times] == [0, 1, 2, 3]
    rows = [sample[text].shape[0] for sample in samples]
    halves = [1 if run.guidance == 0 else 2 for run in recording.runs for _ in range(STRATA)]
    assert rows == halves
    assert {sample[coefficients].shape[0] for sample in samples} == {1}
    scale = demo.sampling.guidance
    used = {round(float(sample[guidance][0]), 3) for sample in samples}
    assert used == {1.0, scale * 0.5, scale, scale * 1.5}
    masks = [float(sample[port(demo, "mask")].mean()) for sample in samples]
    assert masks[-STRATA:] == [0.5] * STRATA


def test_what_was_kept_gives_the_step_again(demo: Pipeline, recording: Recording) -> None:
    """A sample is all that a step reads: run again by itself, it gives the x that the next one began with."""
    session = next(engine.session for engine in demo.engines if engine.component == "denoiser")
    latent = next(port for port in session.outputs if port.kind == "latent" and port.slot == "")
    sample = next(recording.samples())
    made = session.run(
        {name: session.upload(array) for name, array in sample.items()}, {port.tensor: None for port in session.outputs}
    )[latent.tensor].numpy()
    assert made.shape == sample[latent.at("x").tensor].shape
    assert np.isfinite(made).all()
    assert 0.5 < np.linalg.norm(made) / np.linalg.norm(sample[latent.at("x").tensor]) < 2


def test_the_latents_ranges_are_those_that_are_measured_without_recording(demo: Pipeline, recording: Recording) -> None:
    wanted = measure_ranges(demo, PROMPTS, count=10, steps=STEPS, seed=4)
    assert recording.ranges() == wanted


def test_a_run_that_is_there_is_not_made_again(
    demo: Pipeline, recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = runs_of(demo, 10)
    whole = {path.name: path.read_bytes() for path in recording.folder.iterdir()}
    again = Recording(tmp_path, runs)
    for name, data in whole.items():
        if name != "run-00003.safetensors":
            (tmp_path / name).write_bytes(data)
    calls = []
    run = OrtSession.run

    def counted(session: OrtSession, *given: Any) -> Any:
        calls.append(1)
        return run(session, *given)

    monkeypatch.setattr(OrtSession, "run", counted)
    again.record(demo, PROMPTS, steps=STEPS, seed=4)
    assert len(calls) <= STEPS + 2  # its denoiser's steps, and its text encoder
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == whole
