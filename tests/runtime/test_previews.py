"""Previews: the finished latent that a call foresees, and another decoder for its pictures."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import latentlink
from latentlink.engine.quality import psnr
from latentlink.errors import LinkError, UsageError
from latentlink.runtime import Pipeline, Progress
from latentlink.runtime.linking import opening
from latentlink.runtime.loading import _part
from latentlink.runtime.samplers import FLOW_SAMPLERS, SAMPLERS, clean_coefficients, read_schedule, sampler_table
from latentlink.runtime.sessions import Session, open_session

PROMPT = "a red circle on a blue background"
NOISE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
FLOW = {"prediction_type": "flow_prediction", "shift": 3.0}

# What a model predicts that knows x0 and the noise, of signal*x0 + noise*eps.
ORACLE = {
    "epsilon": lambda x0, eps, signal, noise: eps,
    "v_prediction": lambda x0, eps, signal, noise: signal * eps - noise * x0,
    "sample": lambda x0, eps, signal, noise: x0,
    "flow_prediction": lambda x0, eps, signal, noise: eps - x0,
}


def _known(sampler: str, schedule: dict[str, Any], prediction: str) -> None:
    """A model that knows x0 lets every row foresee it."""
    x0, eps = np.random.default_rng(0).normal(size=(2, 4, 3, 3))
    table = sampler_table(sampler, read_schedule({**schedule, "prediction_type": prediction}), steps=5)
    for row, sigma, (u, v) in zip(table.rows, table.sigmas, clean_coefficients(table, prediction), strict=True):
        _, c_in, p, q = row[:4]
        if np.isinf(sigma):
            signal, noise = 0.0, 1.0
        else:
            signal = 1 / (1 + sigma) if prediction == "flow_prediction" else 1 / np.hypot(1, sigma)
            noise = sigma * signal
        x = (signal * x0 + noise * eps) / c_in  # the model sees c_in*x
        D = p * x + q * ORACLE[prediction](x0, eps, signal, noise)
        np.testing.assert_allclose(u * x + v * D, x0, atol=1e-6)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_row_foresees_the_picture_of_a_model_that_knows_it(sampler: str, prediction: str) -> None:
    _known(sampler, NOISE, prediction)


@pytest.mark.parametrize("sampler", FLOW_SAMPLERS)
def test_a_row_of_a_flow_foresees_the_picture_of_a_model_that_knows_it(sampler: str) -> None:
    _known(sampler, FLOW, "flow_prediction")


def test_of_pure_noise_a_model_of_the_noise_foresees_nothing() -> None:
    schedule = read_schedule({**NOISE, "rescale_betas_zero_snr": True, "prediction_type": "v_prediction"})
    table = sampler_table("ddim", schedule, steps=4, spacing="trailing")
    assert np.isinf(table.sigmas[0])
    assert clean_coefficients(table, "epsilon")[0].tolist() == [0, 0]
    # v of pure noise is minus the picture
    np.testing.assert_allclose(clean_coefficients(table, "v_prediction")[0] @ (0, table.rows[0][3]), -1)


@pytest.fixture(scope="module")
def small() -> Any:
    with latentlink.load("demo", previews="demo-tiny") as pipe:
        yield pipe


def test_the_last_step_foresees_what_the_run_ends_with(demo: Pipeline) -> None:
    foreseen: list[Any] = []
    result = demo.generate(PROMPT, seed=1, steps=5, sampler="euler", on_step=lambda at: foreseen.append(at.predicted()))
    np.testing.assert_allclose(foreseen[-1], result.latents.array, atol=1e-5)
    away = [float(np.abs(one - result.latents.array).mean()) for one in foreseen]
    assert away == sorted(away, reverse=True)


def test_previews_are_made_by_the_other_decoder_and_the_result_by_its_own(demo: Pipeline, small: Pipeline) -> None:
    pictures: list[Any] = []

    def look(at: Progress) -> None:
        pictures.append(small.preview(at.predicted()))

    result = small.generate(PROMPT, seed=1, steps=5, sampler="euler", num_images=2, on_step=look)
    own = demo.decode(result.latents)
    assert all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in zip(own, result.images, strict=True))
    assert [len(one) for one in pictures] == [2] * 5
    last, final = np.asarray(pictures[-1][0]), np.asarray(result.images[0])
    # demo-tiny decodes demo's latents at 25 dB and more, see docs/demo-models.md
    assert not np.array_equal(last, final)
    assert psnr(final, last) > 20
    assert [(one.component, one.bundle) for one in small.decisions if one.purpose == "preview"] == [
        ("vae_decoder", "demo-tiny")
    ]


def test_without_another_decoder_the_pipelines_own_makes_them(demo: Pipeline) -> None:
    latents = demo.generate(PROMPT, seed=1, steps=3, sampler="euler").latents
    assert np.array_equal(np.asarray(demo.preview(latents.array)[0]), np.asarray(demo.decode(latents)[0]))


def test_a_decoder_of_another_space_makes_no_previews() -> None:
    with pytest.raises(LinkError, match='reads latent space "demo-b"'):
        latentlink.load("demo", previews="demo-b")


def test_a_bundle_without_a_decoder_makes_no_previews() -> None:
    donor: Any = SimpleNamespace(manifest=SimpleNamespace(components={"denoiser": None}))
    with pytest.raises(UsageError, match="'other' has no vae_decoder to make previews with; it has denoiser"):
        _part(donor, "other", "vae_decoder", " to make previews with")


def test_the_other_decoder_is_closed_with_the_pipeline() -> None:
    pipe = latentlink.load("demo", previews="demo-tiny")
    latents = np.zeros((1, 4, 8, 8), np.float32)
    assert pipe.preview(latents)
    pipe.close()
    with pytest.raises(UsageError, match="closed"):
        pipe.preview(latents)


def test_no_engine_stays_open_if_a_wider_one_is_larger_than_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions: list[Session] = []

    def recorded(*arguments: Any, **more: Any) -> Session:
        sessions.append(open_session(*arguments, **more))
        return sessions[-1]

    def too_large(*arguments: Any) -> None:
        raise UsageError("The wider engine is too large.")

    monkeypatch.setattr(opening, "open_session", recorded)
    monkeypatch.setattr(opening.Opening, "wider", too_large)
    with pytest.raises(UsageError, match="too large"):
        latentlink.load("demo", previews="demo-tiny")
    assert sessions
    for session in sessions:
        with pytest.raises(UsageError, match="closed"):
            session.run({}, {})
