"""The guards: what is good passes, what is not is refused after the stage that wrote it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from PIL import Image

import latentlink
from latentlink.engine.bundle import LatentRange
from latentlink.errors import GuardError, UsageError
from latentlink.runtime import Latents, Pipeline
from latentlink.runtime.guards import Guard, Unusual, finite_fault, generated_margin, picture_fault
from latentlink.runtime.guards.faults import FEW, GENERATED, HURRIED, Margin, agreement, range_fault, roughness
from latentlink.runtime.vae import Autoencoder

PROMPT = "a red circle on a blue background"
CLEAN = (1.0, 0.0)
NONE = Margin(low=1.0, high=1.0, channel=1.0)


@pytest.fixture(scope="module")
def drawn(demo: Pipeline) -> latentlink.Result:
    return demo.generate(PROMPT, seed=7, steps=10, sampler="dpmpp_2m")


def times(latents: Latents, factor: float) -> Latents:
    return Latents(array=(latents.array * factor).astype(np.float32), space=latents.space, level=latents.level)


def one_range(level: float = 0.0, size: float = 1.0) -> LatentRange:
    return LatentRange(level=level, mean=((-size, size),) * 2, std=((0.5 * size, size),) * 2, rms=(size / 2, size))


def latent(mean: float, std: float) -> np.ndarray:
    """`[2, 2, 2]` of this mean and deviation in both channels."""
    return np.broadcast_to(mean + std * np.array([[1.0, -1.0], [-1.0, 1.0]]), (2, 2, 2)).astype(np.float32)


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (np.zeros((16, 16, 3)), "is black"),
        (np.full((16, 16, 3), (200, 10, 30)), "is flat, all of colour (200, 10, 30)"),
        (np.indices((16, 16)).sum(0)[..., None] * np.array([8, 0, 8]), "has green 0 everywhere"),
        (np.random.default_rng(0).integers(0, 256, (16, 16, 3)), "is noise: its roughness is 0.98"),
    ],
)
def test_a_black_a_flat_and_a_noise_picture_are_faults(picture: np.ndarray, says: str) -> None:
    fault = picture_fault(picture.astype(np.uint8))
    assert fault is not None
    assert says in fault.found


def test_a_channel_that_is_constant_but_for_its_border_is_a_fault() -> None:
    picture = np.random.default_rng(0).integers(100, 110, (32, 32, 3)).astype(np.uint8)
    picture[1:, 1:, 0] = 0
    fault = picture_fault(picture)
    assert fault is not None
    assert "red 0" in fault.found


def test_noise_of_half_way_latents_and_the_rounding_of_an_even_picture_are_no_faults() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    assert picture_fault(noise, clean=False) is None
    assert picture_fault(noise // 64 + 100) is None


@pytest.mark.parametrize("name", ["grass", "gravel", "brick", "hubble_deep_field", "coffee", "text"])
@pytest.mark.parametrize("side", [64, 96, 128])
def test_a_small_photograph_of_a_texture_is_no_noise(name: str, side: int) -> None:
    data = pytest.importorskip("skimage.data")
    whole = Image.fromarray(getattr(data, name)()).convert("RGB")
    for filter in (Image.Resampling.LANCZOS, Image.Resampling.BOX, Image.Resampling.NEAREST):
        assert picture_fault(np.asarray(whole.resize((side, side), filter))) is None


@pytest.mark.parametrize("colours", ["grey", "of their own", "tinted"])
def test_stars_of_one_pixel_are_no_noise_although_they_are_as_rough(colours: str) -> None:
    rng = np.random.default_rng(0)
    sky, count = np.full((64, 64, 3), 8.0), 150
    own = {"grey": np.ones(3), "of their own": rng.uniform(0.5, 1, (count, 3)), "tinted": np.array([1.0, 0.6, 0.2])}
    sky[rng.integers(0, 64, count), rng.integers(0, 64, count)] += rng.pareto(1.5, (count, 1)) * 60 * own[colours]
    picture = np.clip(sky, 0, 255).astype(np.uint8)
    assert roughness(picture) > 0.9
    assert picture_fault(picture) is None


@pytest.mark.parametrize(
    "noise",
    [
        lambda rng, shape: rng.normal(128, 40, shape),
        lambda rng, shape: rng.normal(128, 8, shape),
        lambda rng, shape: rng.normal(128, (60, 20, 5), shape),
        lambda rng, shape: rng.integers(0, 2, shape) * 255,
        lambda rng, shape: 128 + 20 * rng.standard_cauchy(shape),
        lambda rng, shape: rng.normal(128, 40, (*shape[:2], 3)) @ np.array([[1, 0.2, 0], [0, 1, 0.2], [0.2, 0, 1]]),
    ],
    ids=["normal", "weak", "unequal", "bits", "peaked", "of mixed colours"],
)
@pytest.mark.parametrize("side", [64, 128])
def test_noise_of_any_distribution_is_found(noise: Callable[..., np.ndarray], side: int) -> None:
    picture = np.clip(noise(np.random.default_rng(0), (side, side, 3)), 0, 255).astype(np.uint8)
    fault = picture_fault(picture)
    assert fault is not None
    assert fault.numbers["agreement"] < fault.numbers["least"]


def test_colours_agree_in_a_tinted_picture_and_not_in_noise() -> None:
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (64, 64, 1))
    assert agreement((grey * np.array([1.0, 0.6, 0.2])).astype(np.uint8)) == pytest.approx(1, abs=1e-3)  # rounding
    assert agreement(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)) < 0.05  # 1 / 64 of 4096 pixels, three pairs
    one_colour = np.zeros((64, 64, 3), np.uint8)
    one_colour[..., 1:2] = grey
    assert agreement(one_colour) == 1


def test_roughness_is_1_of_white_noise_2_of_a_chequered_picture_and_near_0_of_a_ramp() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    assert roughness(noise) == pytest.approx(1, abs=0.05)  # 1 / sqrt(3 * 128^2) is 0.005, some correlated
    chequered = np.broadcast_to((np.indices((64, 64)).sum(0) % 2 * 255)[..., None], (64, 64, 3)).astype(np.uint8)
    assert roughness(chequered) == pytest.approx(2)
    ramp = np.broadcast_to(np.arange(64)[:, None, None], (64, 64, 3)).astype(np.uint8)
    assert roughness(ramp) < 0.01


@pytest.mark.parametrize(
    ("mean", "std", "says"),
    [
        (0.0, 0.8, None),
        (0.0, 2.4, None),
        (0.0, 2.6, "root mean square of 2.6"),
        (0.0, 0.1, "root mean square of 0.1"),
        (2.4, 0.5, None),
        (0.5, 0.01, "deviation in channel 0 of 0.01"),
    ],
)
def test_a_latent_is_measured_against_the_widened_range(mean: float, std: float, says: str | None) -> None:
    fault = range_fault(latent(mean, std), [one_range()], CLEAN, margin=GENERATED, generated=True)
    assert (fault is None) if says is None else (fault is not None and says in fault.found)


def test_only_a_generated_latent_may_not_be_without_deviation() -> None:
    assert range_fault(latent(0.8, 0.0), [one_range()], CLEAN) is None
    assert range_fault(latent(0.8, 0.0), [one_range()], CLEAN, generated=True) is not None


def test_half_way_latents_are_compared_with_the_levels_on_both_sides_whatever_their_scale() -> None:
    ranges = [one_range(0.0, 1.0), one_range(0.5, 2.0), one_range(1.0, 8.0)]
    big = latent(0.0, 4.0)
    assert range_fault(big, ranges, CLEAN, margin=NONE) is not None
    assert range_fault(big, ranges, (0.8, 0.6), margin=NONE) is None  # level 0.6: between 0.5 and 1
    assert range_fault(big, ranges, (0.96, 0.28), margin=NONE) is not None  # between 0 and 0.5
    assert range_fault(big * 10, ranges, (8.0, 6.0), margin=NONE) is None  # the same level, ten times as large


def test_without_ranges_only_numbers_that_are_not_finite_are_faults() -> None:
    assert range_fault(latent(0.0, 1e6), [], CLEAN) is None
    assert finite_fault(latent(0.0, 1e6)) is None
    assert finite_fault(latent(0.0, np.inf)) is not None


def test_fewer_steps_than_few_may_overshoot_unless_the_model_needs_no_more() -> None:
    assert generated_margin(FEW, 50) == GENERATED
    assert generated_margin(FEW - 1, 50) == HURRIED
    assert generated_margin(4, 4) == GENERATED


def test_latents_that_are_too_large_are_refused_where_they_are_given(demo: Pipeline, drawn: latentlink.Result) -> None:
    with pytest.raises(GuardError) as refused:
        demo.decode(times(drawn.latents, 4))
    error = refused.value
    assert (error.stage, error.status) == ("latents", 6)
    assert error.numbers["value"] > error.numbers["high"]
    assert error.unusual == {"latents": error.message.partition("the latent ")[2].removesuffix(".")}
    assert "argument of this call" in error.cause
    with pytest.raises(GuardError) as refused:
        demo.generate(PROMPT, init_latents=times(drawn.latents, 4), steps=10, strength=0.2)
    assert refused.value.stage == "init_latents"
    assert list(refused.value.unusual) == ["init_latents"]


def test_a_request_that_made_the_result_faulty_is_named_before_the_engine(demo: Pipeline) -> None:
    with pytest.raises(GuardError) as refused:
        demo.generate(PROMPT, seed=1, steps=3, guidance=1000)
    error = pickle.loads(pickle.dumps(refused.value))
    assert error.stage == "denoiser"
    assert error.unusual == {"guidance": 1000.0, "steps": 3}
    assert "guidance 1000 (the model's own is 7.5), steps 3 (the model's own number is 50)" in error.cause
    assert "weights" not in error.cause
    assert str(error) == f"{error.message} {error.cause} {error.remedy}"


def test_a_faulty_engine_is_blamed_where_the_request_is_usual(demo: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    from latentlink.runtime.denoising.loop import denoise as honest

    def damaged(*given: Any, **options: Any) -> Any:
        done = yield from honest(*given, **options)
        return replace(done, array=done.array * 50)

    monkeypatch.setattr("latentlink.runtime.generating.denoise", damaged)
    with pytest.raises(GuardError) as refused:
        demo.generate(PROMPT, seed=1, steps=10, sampler="dpmpp_2m")
    assert refused.value.unusual == {}
    assert "damaged weights" in refused.value.cause
    assert "latentlink verify" in refused.value.remedy


@pytest.mark.parametrize(
    ("stage", "named"),
    [
        ("text_encoder", ["prompt"]),
        ("text_encoder_2", ["prompt"]),
        ("vae_encoder", ["width"]),
        ("denoiser", ["guidance", "prompt", "width", "steps"]),
        ("denoiser, not finite", ["guidance", "prompt"]),
        ("vae_decoder", ["guidance", "prompt", "width", "steps"]),
    ],
)
def test_only_settings_that_a_stage_depends_on_are_named(stage: str, named: list[str]) -> None:
    settings = ("guidance", "prompt", "width", "steps")
    watch = Guard(
        on=True, ranges=[one_range()], unusual=[Unusual(setting=one, value=9.0, usual="usual") for one in settings]
    )
    bad = latent(0.0, np.nan if "finite" in stage or stage.startswith("text") else 90.0)[None]
    with pytest.raises(GuardError) as refused:
        if stage.startswith("text_encoder"):
            watch.embedding(stage, bad)
        elif stage == "vae_decoder":
            watch.pictures(stage, [np.zeros((8, 8, 3), np.uint8)])
        else:
            watch.latents(stage, bad, level=CLEAN)
    assert list(refused.value.unusual) == named


@pytest.mark.parametrize("unusual", [(), (Unusual(setting="guidance", value=1000.0, usual="the model's own is 7.5"),)])
def test_a_remedy_repeats_no_sentence_of_the_cause_or_the_message(unusual: tuple[Unusual, ...]) -> None:
    watch = Guard(on=True, ranges=[one_range()], unusual=unusual)
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    checks: list[Callable[[], None]] = [
        lambda: watch.latents("denoiser", latent(0.0, 90.0)[None], level=CLEAN),
        lambda: watch.latents("denoiser", latent(0.0, np.nan)[None], level=CLEAN),
        lambda: watch.latents("init_latents", latent(0.0, 90.0)[None], level=CLEAN),
        lambda: watch.pictures("vae_decoder", [noise]),
        lambda: watch.pictures("vae_decoder", [noise * 0]),
        lambda: watch.pictures("vae_decoder", [noise * np.array([1, 0, 1], np.uint8)]),
    ]
    for check in checks:
        with pytest.raises(GuardError) as refused:
            check()
        error = refused.value
        sentences = [one for text in (error.message, error.cause, error.remedy) for one in text.split(". ")]
        assert len(sentences) == len(set(sentences)) >= 3


def test_half_way_latents_are_taken_at_their_level_and_refused_when_too_large(demo: Pipeline) -> None:
    settings: dict[str, Any] = {"seed": 1, "steps": 10, "sampler": "euler"}
    half = demo.generate(PROMPT, **settings, denoising_end=0.2).latents
    assert half.array.std() > 3  # far outside of what a clean one has: the sampler's noise is that large here
    assert demo.generate(PROMPT, **settings, denoising_start=0.2, init_latents=half).images
    with pytest.raises(GuardError, match="init_latents"):
        demo.generate(PROMPT, **settings, denoising_start=0.2, init_latents=times(half, 4))


@pytest.mark.parametrize("stage", ["vae_encoder", "vae_decoder"])
def test_what_the_vae_writes_is_looked_at(demo: Pipeline, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    picture = Image.new("RGB", (64, 64), "red")
    if stage == "vae_encoder":
        honest = Autoencoder.encode
        monkeypatch.setattr(Autoencoder, "encode", lambda *given: honest(*given) * 4)
    else:
        monkeypatch.setattr(Autoencoder, "decode", lambda _, z, *__: [Image.new("RGB", (64, 64))] * len(z))
    for call in (
        lambda guard: demo.decode(demo.encode(picture, guard=guard), guard=guard),
        lambda guard: demo.generate(PROMPT, steps=2, init_image=picture, guard=guard),
    ):
        with pytest.raises(GuardError) as refused:
            call("on")
        assert refused.value.stage == stage
        assert call("off")


def test_an_embedding_that_is_not_finite_is_refused_under_its_encoders_name(
    demo: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    from latentlink.runtime.denoising.conditioning import read_texts as honest

    def broken(linked: Any, *given: Any) -> Any:
        made = honest(linked, *given)
        for texts, tensor in product(made, linked.texts):
            texts[tensor].prompt.buffer.numpy()[...] = np.nan
        return made

    monkeypatch.setattr("latentlink.runtime.generating.read_texts", broken)
    with pytest.raises(GuardError, match="text_encoder") as refused:
        demo.generate(PROMPT, steps=2)
    assert refused.value.stage == "text_encoder"


def test_which_picture_of_a_batch_it_was_is_told(demo: Pipeline, drawn: latentlink.Result) -> None:
    both = np.concatenate([drawn.latents.array, drawn.latents.array * 5])
    with pytest.raises(GuardError, match="latent 2 of 2"):
        demo.decode(Latents(array=both, space=demo.space))


def test_pictures_of_one_colour_noise_and_stripes_are_encoded_and_decoded(demo: Pipeline) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    stripes = np.broadcast_to((np.arange(64) // 4 % 2 * 255)[None, :, None], (64, 64, 3)).astype(np.uint8)
    for picture in ("red", "black", "white"):
        assert demo.decode(demo.encode(Image.new("RGB", (64, 64), picture)))
    for pixels in (noise, stripes):
        assert demo.decode(demo.encode(Image.fromarray(pixels)))


def test_guard_is_on_or_off(demo: Pipeline, drawn: latentlink.Result) -> None:
    for call in (
        lambda: demo.generate(PROMPT, guard="maybe"),  # type: ignore[arg-type]
        lambda: demo.decode(drawn.latents, guard="maybe"),  # type: ignore[arg-type]
        lambda: demo.encode(Image.new("RGB", (64, 64)), guard="maybe"),  # type: ignore[arg-type]
    ):
        with pytest.raises(UsageError, match="expected one of: on, off"):
            call()
