"""A half of the VAE that overflows in half precision, with a wider engine beside it and without."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

import latentlink
from latentlink.bench.studies.faulty_bundles import copy_bundle, disguise, forge_symbols
from latentlink.cli.shared.words import notices
from latentlink.engine.bundle import Bundle, ComponentEntry, write_bundle
from latentlink.errors import BundleError, GuardError, UsageError
from latentlink.runtime import bundle_path

DEMO = bundle_path("demo")
PROMPT = "a red circle on a blue background"


SIDE = 128
"""Side of a picture that overflows."""


def overflow_when_large(model: onnx.ModelProto) -> None:
    """Overflow in half precision in pictures that are larger than those of the probes, which are up to 64x128."""
    first = model.graph.input[0]
    side = 96 if any(dim.dim_value == 3 for dim in first.type.tensor_type.shape.dim) else 96 // 8
    channels = 3 if side == 96 else 4
    nodes = list(model.graph.node)
    at = next(number for number, node in enumerate(nodes) if node.op_type == "Conv")
    written = nodes[at].output[0]
    nodes[at].output[0] = "before"
    constants = {"factor": 65504 / (channels * side**2), "nought": 0.0}
    for name, value in constants.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(value, np.float32), name))
    half, single = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    through = [
        onnx.helper.make_node("Size", [first.name], ["count"]),
        onnx.helper.make_node("Cast", ["count"], ["counted"], to=single),
        onnx.helper.make_node("Mul", ["counted", "factor"], ["grown"]),
        onnx.helper.make_node("Cast", ["grown"], ["half"], to=half),
        onnx.helper.make_node("Cast", ["half"], ["wide"], to=single),
        onnx.helper.make_node("Mul", ["wide", "nought"], ["gone"]),  # NaN where it was infinite
        onnx.helper.make_node("Add", ["before", "gone"], [written]),
    ]
    del model.graph.node[:]
    model.graph.node.extend([*nodes[: at + 1], *through, *nodes[at + 1 :]])


def overflowing(folder: Path, component: str, *, wide: bool) -> Path:
    """demo with an engine that says float16 and overflows at times, before one in float32 that does not."""
    out = copy_bundle(DEMO, folder / "bundle", {component: overflow_when_large})
    manifest = Bundle.open(out).manifest
    entry = manifest.components[component]
    engines = [disguise(entry.engines[0], precision="float16")]
    if wide:
        honest = Path(entry.engines[0].path).parent
        other = honest.with_name(f"{honest.name}-float32")
        shutil.copytree(DEMO / honest, out / other)
        engines.append(replace(entry.engines[0], path=f"{other}/model.onnx"))
    components: Mapping[str, ComponentEntry] = {
        **manifest.components,
        component: replace(entry, engines=tuple(engines)),
    }
    (out / "manifest.json").unlink()
    write_bundle(out, replace(manifest, components=components, files={}))
    return out


def test_a_picture_that_overflowed_is_decoded_again_by_the_wider_engine_and_the_result_says_so(tmp_path: Path) -> None:
    bundle = overflowing(tmp_path, "vae_decoder", wide=True)
    with latentlink.load(bundle) as pipe, latentlink.load("demo") as demo:
        made = pipe.generate(PROMPT, seed=1, num_images=2, steps=4, width=SIDE, height=SIDE)
        wanted = demo.generate(PROMPT, seed=1, num_images=2, steps=4, width=SIDE, height=SIDE)
    assert [np.asarray(image).tolist() for image in made.images] == [
        np.asarray(image).tolist() for image in wanted.images
    ]
    assert [(one.component, one.number, one.count) for one in made.mended] == [
        ("vae_decoder", 1, 2),
        ("vae_decoder", 2, 2),
    ]
    assert "vae_decoder: picture 1 of 2 is black" in notices(made)[0]
    assert "it was decoded again by the wider engine" in notices(made)[0]
    assert wanted.mended == ()


def test_a_latent_that_overflowed_is_encoded_again_by_the_wider_engine(tmp_path: Path) -> None:
    bundle = overflowing(tmp_path, "vae_encoder", wide=True)
    picture = Image.new("RGB", (SIDE, SIDE), "red")
    with latentlink.load(bundle) as pipe, latentlink.load("demo") as demo:
        made = pipe.generate(PROMPT, seed=1, steps=4, init_image=picture)
        assert np.array_equal(pipe.encode(picture).array, demo.encode(picture).array)
    assert [one.component for one in made.mended] == ["vae_encoder"]
    assert "it was encoded again by the wider engine" in notices(made)[0]


def test_without_a_wider_engine_it_is_refused_and_off_returns_what_there_is(tmp_path: Path) -> None:
    with latentlink.load(overflowing(tmp_path, "vae_decoder", wide=False)) as pipe:
        with pytest.raises(GuardError, match="picture is black") as refused:
            pipe.generate(PROMPT, seed=1, steps=4, width=SIDE, height=SIDE)
        assert refused.value.stage == "vae_decoder"
        assert (
            np.asarray(pipe.generate(PROMPT, seed=1, steps=4, width=SIDE, height=SIDE, guard="off").images[0]).max()
            == 0
        )


def test_a_wider_engine_of_another_model_is_refused_when_it_is_needed(tmp_path: Path) -> None:
    bundle = overflowing(tmp_path, "vae_decoder", wide=True)
    manifest = Bundle.open(bundle).manifest
    wide = manifest.components["vae_decoder"].engines[1]
    liar = forge_symbols(bundle_path("demo-b"), tmp_path / "liar", "vae_decoder", Bundle.open(DEMO))
    for file in (bundle / wide.path).parent.iterdir():
        file.unlink()
    shutil.copyfile(liar / Bundle.open(liar).manifest.components["vae_decoder"].engines[0].path, bundle / wide.path)
    (bundle / "manifest.json").unlink()
    write_bundle(bundle, replace(manifest, files={}))
    with latentlink.load(bundle) as pipe, pytest.raises(BundleError, match="does not compute what its probe says"):
        pipe.generate(PROMPT, seed=1, steps=4, width=SIDE, height=SIDE)


def test_no_wider_engine_is_opened_for_a_call_whose_pipeline_was_closed_meanwhile(tmp_path: Path) -> None:
    with latentlink.load(overflowing(tmp_path, "vae_decoder", wide=True)) as pipe:
        pipe.vae.close()  # as another thread does, between the decoder and the wider one
        with pytest.raises(UsageError, match="is closed"):
            pipe.generate(PROMPT, seed=1, steps=4, width=SIDE, height=SIDE)
