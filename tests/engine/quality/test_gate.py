"""The gate: figures that a manifest keeps, and what they have to be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from latentlink.engine.quality import Quality
from latentlink.engine.quality.gate import LOSSLESS_PSNR, MIN_COSINE, MIN_PSNR, MIN_SSIM, STEPS

GOOD = Quality(pictures=8, cosines=(0.999, 0.98), psnr=30.0, least_psnr=20.0, ssim=0.95, least_ssim=0.7)


def test_what_a_manifest_keeps_is_read_back() -> None:
    assert Quality.of_parity({"reference": "onnx", "max_abs": 0.1, **GOOD.to_parity()}) == GOOD


def test_of_a_long_run_the_first_and_last_steps_are_kept() -> None:
    cosines = tuple(1 - number / 10_000 for number in range(500))
    found = Quality.of_parity(replace(GOOD, cosines=cosines).to_parity())
    assert found is not None
    assert len(found.cosines) == STEPS
    assert found.cosines[0] == cosines[0]
    assert found.cosines[-1] == pytest.approx(cosines[-1], abs=1e-5)


@pytest.mark.parametrize(
    "parity",
    [
        None,
        {},
        {"gate_psnr": 30.0},
        {**GOOD.to_parity(), "gate_cosines": "high"},
        {**GOOD.to_parity(), "gate_cosines": "0.99 inf"},
        {**GOOD.to_parity(), "gate_psnr": "nan"},
        {**GOOD.to_parity(), "gate_psnr": "99"},
        {**GOOD.to_parity(), "gate_pictures": float("inf")},
    ],
)
def test_no_figures_are_no_quality(parity: dict[str, str | float] | None) -> None:
    assert Quality.of_parity(parity) is None


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("cosines", (0.999, MIN_COSINE - 0.01), "latent cosine 0.96"),
        ("psnr", MIN_PSNR - 1, "PSNR 24.0 dB, expected at least 25"),
        ("ssim", MIN_SSIM - 0.1, "SSIM 0.800, expected at least 0.9"),
        ("psnr", float("nan"), "PSNR nan"),
    ],
)
def test_each_figure_below_the_gate_is_said(name: str, value: object, says: str) -> None:
    assert not GOOD.shortfall_summary()
    assert says in replace(GOOD, **{name: value}).shortfall_summary()  # type: ignore[arg-type]


def test_cosines_that_are_not_there_do_not_pass() -> None:
    found = Quality.of_parity({**GOOD.to_parity(), "gate_cosines": ""})
    assert found is not None
    assert found.shortfall_summary()


def test_what_pictures_show_is_kept_and_may_be_lost_by_2_points_at_most() -> None:
    judged = replace(GOOD, judged=100, right=78, reference_right=80)
    assert Quality.of_parity(judged.to_parity()) == judged
    assert "78 of 100 show their prompts (reference 80)" in judged.summary()
    assert not judged.shortfall_summary()
    assert replace(judged, right=77).shortfall_summary() == (
        "77 of 100 pictures show their prompts, 80 of the reference's, expected at most 2% fewer"
    )


def test_free_is_what_nobody_would_see() -> None:
    assert replace(GOOD, least_psnr=LOSSLESS_PSNR).visually_lossless
    assert not replace(GOOD, least_psnr=LOSSLESS_PSNR - 0.1).visually_lossless
    assert not replace(GOOD, least_psnr=LOSSLESS_PSNR, ssim=0.5).visually_lossless
