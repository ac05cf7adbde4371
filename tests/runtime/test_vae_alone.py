"""A bundle of a VAE alone, or of one half: it encodes, decodes, previews and transfers, and cannot draw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from PIL import Image

import latentlink
from latentlink.bench.studies.faulty_bundles import Edit, copy_bundle, forge_symbols
from latentlink.demo.draw import draw
from latentlink.demo.grammar import held_out
from latentlink.engine.bundle import Bundle, Manifest
from latentlink.engine.quality import psnr
from latentlink.errors import BundleError, GuardError, LinkError, UsageError
from latentlink.runtime import Latents, Pipeline, Stage, bundle_path

TINY = bundle_path("demo-tiny")


def only(component: str, folder: Path, edits: dict[str, Edit] | None = None) -> Path:
    """The bundle with one component."""

    def change(manifest: Manifest) -> Manifest:
        kept = {component: manifest.components[component]}
        return replace(manifest, components=kept, probes={component: manifest.probes[component]})

    return copy_bundle(TINY, folder, edits or {}, change)


@pytest.fixture(scope="module")
def tiny() -> Iterator[Pipeline]:
    with latentlink.load(TINY) as pipe:
        yield pipe


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("halves")
    return {half: only(half, folder / half) for half in ("vae_decoder", "vae_encoder")}


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    return draw(held_out()[0], "flat", np.random.default_rng(0))


def test_it_encodes_and_decodes_in_the_space_of_the_model_it_was_made_for(
    tiny: Pipeline, demo: Pipeline, picture: Image.Image
) -> None:
    latents = tiny.encode(picture)
    assert latents.space == demo.space
    own = tiny.decode(latents)[0]
    assert psnr(np.asarray(picture), np.asarray(own)) > 15
    # the model's own decoder reads them, and its previews are what it decodes without guards
    assert demo.decode(latents)[0].size == picture.size
    np.testing.assert_array_equal(np.asarray(tiny.preview(latents.array)[0]), np.asarray(own))


def test_it_takes_part_in_a_transfer_on_both_sides(tiny: Pipeline, demo_b: Pipeline, picture: Image.Image) -> None:
    moved = latentlink.transfer(tiny.encode(picture), source=tiny, destination=demo_b)
    assert moved.latents.space == demo_b.space
    back = latentlink.transfer(moved.latents, source=demo_b, destination=tiny)
    assert back.latents.space == tiny.space
    assert back.psnr > 15


def test_it_says_in_a_sentence_what_it_lacks_to_draw(tiny: Pipeline) -> None:
    with pytest.raises(UsageError, match=r"is a VAE alone .*no denoiser and no text encoder"):
        tiny.generate("a red circle")
    with pytest.raises(UsageError, match="is a VAE alone"):
        tiny.steps("a red circle")
    with pytest.raises(UsageError, match="is a VAE alone"):
        tiny.encode_prompt("a red circle")
    with pytest.raises(UsageError, match="is a VAE alone"):
        tiny.observe(lambda session: session)


def test_it_is_warmed_up_with_what_it_has(tiny: Pipeline, halves: dict[str, Path]) -> None:
    tiny.warm_up(width=128, height=64)
    for half in halves.values():
        with latentlink.load(half) as pipe:
            pipe.warm_up()


def test_one_half_does_its_part_and_names_the_other(halves: dict[str, Path], picture: Image.Image) -> None:
    with latentlink.load(halves["vae_encoder"]) as encoder, latentlink.load(halves["vae_decoder"]) as decoder:
        latents = encoder.encode(picture)
        assert decoder.decode(latents)[0].size == picture.size
        with pytest.raises(UsageError, match=r"has no vae_decoder.*--replace vae_decoder=BUNDLE"):
            encoder.decode(latents)
        with pytest.raises(UsageError, match="has no vae_decoder"):
            encoder.preview(latents.array)
        with pytest.raises(UsageError, match=r"has no vae_encoder.*--replace vae_encoder=BUNDLE"):
            decoder.encode(picture)


def test_the_missing_half_can_come_from_another_bundle(halves: dict[str, Path], picture: Image.Image) -> None:
    with latentlink.load(halves["vae_encoder"], replace={"vae_decoder": halves["vae_decoder"]}, verify=False) as pipe:
        assert pipe.decode(pipe.encode(picture))[0].size == picture.size


def test_a_half_of_another_space_is_refused(halves: dict[str, Path]) -> None:
    with pytest.raises(LinkError, match=r'reads latent space "demo-b".*writes "demo"'):
        latentlink.load(halves["vae_encoder"], replace={"vae_decoder": "demo-b"})


def test_another_half_is_judged_by_the_probes_of_the_bundle(halves: dict[str, Path], tmp_path: Path) -> None:
    forged = forge_symbols(bundle_path("demo-b"), tmp_path / "forged", "vae_decoder", Bundle.open(TINY))
    with pytest.raises(LinkError, match="does not compute what they say"):
        latentlink.load(TINY, replace={"vae_decoder": forged})
    with latentlink.load(TINY, replace={"vae_decoder": halves["vae_decoder"]}) as pipe:
        admitted = next(one.admission for one in pipe.decisions if one.component == "vae_decoder")
    assert admitted is not None
    assert admitted.same


def blank(model: onnx.ModelProto) -> None:
    """Sets all weights to 0, which decodes everything to grey."""
    for weights in model.graph.initializer:
        if len(weights.dims) == 4:
            weights.CopyFrom(numpy_helper.from_array(0 * numpy_helper.to_array(weights), weights.name))


def test_its_probes_and_guards_hold(tiny: Pipeline, picture: Image.Image, tmp_path: Path) -> None:
    bundle = only("vae_decoder", tmp_path / "blank", {"vae_decoder": blank})
    with pytest.raises(BundleError, match="does not compute what its probe says"):
        latentlink.load(bundle)
    latents = tiny.encode(picture)
    with latentlink.load(bundle, verify=False) as pipe, pytest.raises(GuardError, match="the picture is flat"):
        pipe.decode(latents)
    with pytest.raises(UsageError, match="not finite"):
        tiny.decode(Latents(array=latents.array * np.float32(np.inf), space=tiny.space))


def test_engines_of_no_vae_are_refused_by_name(tmp_path: Path) -> None:
    def change(manifest: Manifest) -> Manifest:
        kept = {name: entry for name, entry in manifest.components.items() if name == "text_encoder"}
        probes = {"text_encoder": manifest.probes["text_encoder"]}
        return replace(manifest, components=kept, probes=probes, sampling=replace(manifest.sampling, ranges=()))

    bundle = copy_bundle(bundle_path("demo"), tmp_path / "text", {}, change)
    with pytest.raises(LinkError, match=r"a pipeline is a VAE.*text_encoder of .* was given"):
        latentlink.load(bundle)


def test_it_is_no_stage_of_a_chain_which_is_said_before_any_stage_runs(tiny: Pipeline, demo_b: Pipeline) -> None:
    stages = [Stage(pipeline=demo_b), Stage(pipeline=tiny, strength=0.5)]
    with pytest.raises(UsageError, match="is a VAE alone"):
        latentlink.chain("a red circle", stages, on_step=lambda _: pytest.fail("it ran"))
