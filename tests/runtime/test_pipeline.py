"""The pipeline on the demo bundle that ships: what it promises, and what it refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import latentlink
from latentlink.errors import BundleError, Cancelled, GuardError, LinkError, UsageError
from latentlink.runtime import Latents, Pipeline, Progress, bundle_path
from latentlink.runtime.denoising.loop import DenoiseResult, denoise
from latentlink.runtime.samplers import SAMPLERS
from latentlink.runtime.sessions import Session

PROMPT = "a red circle on a blue background"


def test_the_same_seed_makes_the_same_picture_and_another_seed_another(demo: Pipeline) -> None:
    one, again, other = (demo.generate(PROMPT, seed=seed, steps=4).latents.array for seed in (7, 7, 8))
    assert np.array_equal(one, again)
    assert not np.allclose(one, other)


def test_one_seed_a_picture_makes_each_picture_as_if_it_were_alone(demo: Pipeline) -> None:
    both = demo.generate(PROMPT, seed=[3, 4], num_images=2, steps=4).latents.array
    alone = [demo.generate(PROMPT, seed=seed, steps=4).latents.array[0] for seed in (3, 4)]
    # the same sums in another blocking
    np.testing.assert_allclose(both, np.stack(alone), atol=1e-4)


def test_prompts_of_a_batch_keep_their_order(demo: Pipeline) -> None:
    prompts = ["a red circle on a blue background", "a green square on a white background"]
    batch = demo.generate(prompts, seed=[1, 2, 3, 4], num_images=2, steps=4)
    alone = demo.generate(prompts[1], seed=3, steps=4)
    assert len(batch.images) == 4
    np.testing.assert_allclose(batch.latents.array[2], alone.latents.array[0], atol=1e-4)


def test_a_negative_prompt_counts_only_where_guidance_is_on(demo: Pipeline) -> None:
    def latents(negative: str, guidance: float) -> np.ndarray:
        return demo.generate(PROMPT, negative_prompt=negative, seed=1, steps=4, guidance=guidance).latents.array

    assert not np.allclose(latents("", 5.0), latents("a white background", 5.0))
    assert np.array_equal(latents("", 1.0), latents("a white background", 1.0))


def test_progress_counts_every_row_and_shows_the_latent(demo: Pipeline) -> None:
    seen: list[tuple[int, int]] = []
    last: list[np.ndarray] = []

    def look(at: Progress) -> None:
        seen.append((at.row, at.rows))
        last.append(at.latents())

    result = demo.generate(PROMPT, seed=1, steps=3, sampler="heun", on_step=look)
    assert seen == [(row, 5) for row in range(1, 6)]  # two calls a step, one for the last
    assert np.array_equal(last[-1], result.latents.array)


def test_on_step_cancels_by_returning_false(demo: Pipeline) -> None:
    rows: list[int] = []

    def stop(at: Progress) -> bool:
        rows.append(at.row)
        return at.row < 2

    with pytest.raises(Cancelled):
        demo.generate(PROMPT, steps=10, on_step=stop)
    assert rows == [1, 2]
    assert demo.generate(PROMPT, steps=2).images  # and the pipeline is as before


def test_timings_name_every_stage(demo: Pipeline) -> None:
    timings = demo.generate(PROMPT, steps=2).timings
    assert {*timings} == {
        "text_encoder",
        "vae_encoder",
        "denoiser",
        "denoiser_engine",
        "vae_decoder",
        "total",
        "waiting",
    }
    assert timings["waiting"] == 0
    assert timings["denoiser_engine"] <= timings["denoiser"] <= timings["total"]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_draws(demo: Pipeline, sampler: str) -> None:
    result = demo.generate(PROMPT, seed=1, steps=6, sampler=sampler, width=96, height=64)
    assert result.images[0].size == (96, 64)


def test_philox_noise_draws_another_picture_of_the_same_seed(demo: Pipeline) -> None:
    torch, philox = (demo.generate(PROMPT, seed=1, steps=2, noise=noise).latents.array for noise in ("torch", "philox"))
    assert not np.allclose(torch, philox)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"steps": 1.5}, "steps is 1.5"),
        ({"sampler": "eulr"}, "Did you mean 'euler'"),
        ({"spacing": "even"}, "spacing"),
        ({"sigmas": "carras", "sampler": "euler"}, "karras"),
        ({"width": 100}, "Use 96 or 112"),
        ({"height": 0}, "height is 0"),
        ({"num_images": 0}, "num_images is 0"),
        ({"guidance": float("nan")}, "guidance is nan"),
        ({"seed": [1, 2]}, "2 seeds for 1 pictures"),
        ({"noise": "white"}, "Unknown noise 'white'"),
        ({"negative_prompt": ["a", "b"]}, "2 negative prompts for 1 prompts"),
        ({"prompt": []}, "No prompt"),
        ({"prompt": "a (red:11.0) circle"}, "The weight in '(red:11.0)' is 11"),
        ({"sampler": ""}, "sampler ''"),
        ({"sampler": []}, "0 values of sampler for 1 pictures"),
        (
            {"sigmas": "karras", "sampler": "ddim"},
            "Received sigmas 'karras' for sampler 'ddim'; expected none, as it has no such",
        ),
        ({"conditions": []}, "Received list for conditions"),
        ({"init_latents": np.zeros((1, 4, 8, 8))}, "Received ndarray for latents"),
        ({"steps": 2, "denoising_start": 0.999, "init_image": Image.new("RGB", (64, 64))}, "denoising_start 0.999, of"),
        ({"strength": 1.5}, "strength is 1.5"),
        ({"denoising_end": -1}, "denoising_end is -1"),
        ({"denoising_start": 0.5}, "needs latents to go on from"),
        ({"mask_image": Image.new("L", (64, 64))}, "without the picture that it lies over"),
        ({"init_image": "a.png"}, "Received str for a picture"),
        ({"init_image": [Image.new("RGB", (64, 64))] * 2}, "2 pictures to start from for 1 to make"),
        ({"init_image": Image.new("RGB", (64, 64)), "mask_image": [Image.new("L", (64, 64))] * 2}, "2 masks for 1"),
        ({"init_image": Image.new("RGB", (64, 64)), "strength": 0.0}, "none is left"),
        ({"init_image": Image.new("RGB", (64, 64)), "strength": 0.5, "steps": 1}, "or for a strength of at least 1"),
        ({"conditions": {"original_size": (64, 64)}}, "Unknown condition 'original_size'; expected none"),
    ],
)
def test_a_wrong_argument_is_refused_in_one_sentence(demo: Pipeline, arguments: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError) as refused:
        demo.generate(**{"prompt": PROMPT, **arguments})  # type: ignore[arg-type]
    assert says in str(refused.value)


def test_the_other_models_decoder_is_refused_although_shapes_and_dtypes_are_equal(
    demo: Pipeline, demo_b: Pipeline
) -> None:
    ports = [next(e for e in p.engines if e.component == "vae_decoder").session.inputs[0] for p in (demo, demo_b)]
    assert ports[0].shape == ports[1].shape
    assert ports[0].dtype == ports[1].dtype
    with pytest.raises(LinkError) as refused:
        latentlink.load("demo", replace={"vae_decoder": "demo-b"})
    text = str(refused.value)
    for part in ('"demo"', '"demo-b"', "scaling (", "transfer --from demo --to demo-b"):
        assert part in text
    assert refused.value.status == 3


def edited(tmp_path: Path, old: str, new: str) -> Path:
    """A copy of demo-b's bundle whose manifest has `old` replaced by `new`."""
    copy = tmp_path / "edited"
    shutil.copytree(bundle_path("demo-b"), copy)
    manifest = copy / "manifest.json"
    text = manifest.read_text()
    assert old in text
    manifest.write_text(text.replace(old, new))
    return copy


def test_the_other_models_decoder_is_refused_after_its_manifest_was_edited(
    tmp_path: Path, demo: Pipeline, demo_b: Pipeline
) -> None:
    ours, theirs = (next(e for e in p.engines if e.component == "denoiser").session.outputs[0] for p in (demo, demo_b))
    copy = edited(tmp_path, theirs.symbol, ours.symbol)
    with pytest.raises(LinkError) as refused:
        latentlink.load("demo", replace={"vae_decoder": copy})
    assert '"demo-b"' in str(refused.value)
    assert refused.value.status == 3
    # and on its own it is found to be tampered with
    with pytest.raises(BundleError):
        latentlink.load(copy)


def test_an_edited_number_of_a_space_is_refused(tmp_path: Path, demo_b: Pipeline) -> None:
    scaling = json.dumps(demo_b.space.scaling)
    with pytest.raises(BundleError):
        latentlink.load(edited(tmp_path, f'"scaling": {scaling}', '"scaling": 0.5'))


def test_a_schedule_that_no_sampler_reads_is_refused_when_the_bundle_is_opened(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"manifest\.json, sampling: .*beta_start"):
        latentlink.load(edited(tmp_path, '"beta_start": 0.00085', '"beta_start": "nan"'))


def test_the_other_models_text_encoder_is_refused() -> None:
    with pytest.raises(LinkError, match="text embedding") as refused:
        latentlink.load("demo", replace={"text_encoder": "demo-b"})
    assert refused.value.status == 3


def test_latents_are_saved_with_their_space_and_read_back(tmp_path: Path, demo: Pipeline) -> None:
    made = demo.generate(PROMPT, seed=1, steps=4)
    made.latents.save(tmp_path / "a.safetensors")
    read = Latents.load(tmp_path / "a.safetensors")
    assert read.space == demo.space
    assert np.array_equal(read.array, made.latents.array)
    assert np.array_equal(np.asarray(demo.decode(read)[0]), np.asarray(made.images[0]))


def test_latents_of_another_space_are_not_decoded(demo: Pipeline, demo_b: Pipeline) -> None:
    with pytest.raises(LinkError, match="latentlink transfer"):
        demo_b.decode(demo.generate(PROMPT, steps=2).latents)


def test_transfer_moves_the_picture(demo: Pipeline, demo_b: Pipeline) -> None:
    made = demo.generate(PROMPT, seed=7, steps=20)
    moved = latentlink.transfer(made.latents, source=demo, destination=demo_b)
    assert moved.latents.space == demo_b.space
    assert moved.psnr > 25  # the VAEs rebuild drawings at more than 30 dB; forced, it is 8 to 10


def test_decode_undoes_encode(demo: Pipeline) -> None:
    from PIL import Image

    from latentlink.demo.draw import draw
    from latentlink.demo.grammar import parse

    picture = draw(parse(PROMPT), "flat", np.random.default_rng(0))
    again = demo.decode(demo.encode([picture]))[0]
    difference = np.asarray(picture, np.float64) - np.asarray(again, np.float64)
    assert isinstance(again, Image.Image)
    assert 10 * np.log10(255**2 / np.mean(difference**2)) > 26


@pytest.mark.parametrize(
    ("images", "seed", "says"),
    [
        (Image.new("RGB", (70, 3)), None, "70x3; expected multiples of 8. Resize it to 72x8"),
        ([Image.new("RGB", (64, 64)), Image.new("RGB", (64, 32))], None, "64x64 and 64x32; expected one size"),
        (Image.new("RGB", (64, 64)), 1.5, "seed is 1.5"),
        ("a.png", None, "Received str for a picture"),
    ],
)
def test_what_is_no_picture_of_the_models_is_not_encoded(demo: Pipeline, images: Any, seed: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        demo.encode(images, seed=seed)


def test_a_seed_samples_the_posterior(demo: Pipeline) -> None:
    picture = Image.new("RGB", (64, 64), "red")
    mode, one, again = (demo.encode(picture, seed=seed).array for seed in (None, 1, np.int64(1)))  # type: ignore[arg-type]
    assert np.array_equal(one, again)
    assert not np.array_equal(one, mode)


def test_a_latent_that_is_not_finite_is_never_returned_as_a_picture(
    demo: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    from latentlink.runtime import generating

    def broken(*given: Any, **options: Any) -> Generator[Any, Any, DenoiseResult]:
        done = yield from denoise(*given, **options)
        return replace(done, array=np.where(done.array > 1, np.nan, done.array))

    monkeypatch.setattr(generating, "denoise", broken)
    with pytest.raises(GuardError, match="not finite") as refused:
        demo.generate(PROMPT, seed=1, num_images=4)
    assert refused.value.status == 6


def test_what_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        latentlink.load(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="ort-cpu"):
        latentlink.load("demo", target="abacus")
    with pytest.raises(UsageError, match="vae_decodr"):
        latentlink.load("demo", replace={"vae_decodr": "demo-b"})


def test_a_pipeline_that_is_observed_shares_its_engines_and_closes_none() -> None:
    seen: list[Session] = []

    def wrap(session: Session) -> Session:
        seen.append(session)
        return session

    with latentlink.load("demo") as pipe:
        with pipe.observe(wrap) as view:
            watched = view.generate(PROMPT, seed=1, steps=2).latents.array
        assert seen == [pipe.linked.denoiser.session]
        assert np.array_equal(pipe.generate(PROMPT, seed=1, steps=2).latents.array, watched)


def test_a_bundle_without_its_denoiser_is_refused_though_it_has_the_shallow_one(tmp_path: Path) -> None:
    shutil.copytree(bundle_path("demo"), tmp_path / "bundle")
    file = tmp_path / "bundle" / "manifest.json"
    manifest = json.loads(file.read_text())
    del manifest["components"]["denoiser"]
    file.write_text(json.dumps(manifest))
    with pytest.raises(LinkError, match="Without a denoiser, a pipeline is a VAE"):
        latentlink.load(tmp_path / "bundle")
