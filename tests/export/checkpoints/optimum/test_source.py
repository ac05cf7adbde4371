"""Directories of plain graphs in Optimum's layout become typed components, or are refused with the reason."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import onnx
import pytest
import transformers

import latentlink
from latentlink.engine.build import build_bundle
from latentlink.engine.bundle import Bundle
from latentlink.errors import CheckpointError, LinkError
from latentlink.export.checkpoints import ExportOptions
from latentlink.export.checkpoints.optimum.source import OptimumDirectory, is_optimum_directory
from latentlink.export.exporter import export_checkpoint
from tests.export.checkpoints.optimum_layout import write_optimum_layout

KINDS = {
    "text_encoder": transformers.CLIPTextModel,
    "unet": diffusers.UNet2DConditionModel,
    "vae": diffusers.AutoencoderKL,
}
NAMED = ExportOptions(space="tiny")

# one worker, so that the directory is made and imported once
pytestmark = pytest.mark.xdist_group("optimum")


@pytest.fixture(scope="module")
def tiny_onnx(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint as Optimum exports it."""
    return write_optimum_layout(tiny, tmp_path_factory.mktemp("optimum") / "tiny-onnx")


@pytest.fixture(scope="module")
def imported(tiny_onnx: Path) -> Path:
    """The directory's bundle."""
    export, bundle = tiny_onnx.parent / "tiny-imported", tiny_onnx.parent / "tiny-imported-bundle"
    export_checkpoint(tiny_onnx, export, options=NAMED)
    build_bundle(export, bundle)
    return bundle


@pytest.fixture
def copy(tiny_onnx: Path, tmp_path: Path) -> Path:
    """A copy of the directory, to damage."""
    return Path(shutil.copytree(tiny_onnx, tmp_path / "copy"))


def edit(path: Path, change: Callable[[onnx.ModelProto], None]) -> None:
    model = onnx.load(path)
    change(model)
    onnx.save(model, path)


def read(directory: Path, part: str, dtype: str = "float32") -> Any:
    return OptimumDirectory.open(directory, dtype=dtype, names_space=True).network(part, KINDS[part])


@pytest.mark.parametrize(("width", "height", "count", "guidance"), [(16, 16, 1, 1.0), (24, 8, 3, 5.0)])
def test_an_imported_model_makes_the_latents_of_the_checkpoint_it_was_exported_from(
    imported: Path, tiny_bundle: Path, width: int, height: int, count: int, guidance: float
) -> None:
    with latentlink.load(imported) as ours, latentlink.load(tiny_bundle) as direct:
        found, wanted = (
            pipe.generate(
                "a red (circle:1.3)",
                negative_prompt="green",
                seed=5,
                steps=6,
                guidance=guidance,
                width=width,
                height=height,
                num_images=count,
                guard="off",  # random weights
            )
            for pipe in (ours, direct)
        )
    difference = np.linalg.norm(found.latents.array - wanted.latents.array) / np.linalg.norm(wanted.latents.array)
    assert difference < 1e-5  # float32 on both sides, six steps
    for ours_picture, direct_picture in zip(found.images, wanted.images, strict=True):
        assert np.abs(np.asarray(ours_picture, int) - np.asarray(direct_picture, int)).max() <= 1  # rounding


def test_an_imported_encoder_starts_from_the_same_picture(imported: Path, tiny_bundle: Path) -> None:
    from PIL import Image

    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8))
    with latentlink.load(imported) as ours, latentlink.load(tiny_bundle) as direct:
        found, wanted = (
            pipe.generate(
                "a", seed=2, steps=4, init_image=picture, strength=0.5, width=24, height=16, guard="off"
            ).latents.array
            for pipe in (ours, direct)
        )
    assert np.linalg.norm(found - wanted) / np.linalg.norm(wanted) < 1e-5  # float32 on both sides


def test_an_imported_unet_only_doubles_and_needs_sides_that_its_levels_divide(
    imported: Path, tiny_bundle: Path
) -> None:
    multiples = [Bundle.open(bundle).manifest.sampling.size_multiple for bundle in (imported, tiny_bundle)]
    assert multiples == [4, 2]  # two levels of the VAE; in the graph, also two of the UNet


def test_every_component_is_compared_with_the_plain_graph_it_was_made_around(imported: Path) -> None:
    for name, component in Bundle.open(imported).manifest.components.items():
        parity = component.engines[0].parity
        assert parity is not None, name
        assert parity["reference"] == "onnx"
        assert float(parity["relative"]) <= (1 / 255 if name == "vae_decoder" else 5e-6), name


def test_an_imported_space_of_its_own_is_not_the_checkpoints(imported: Path, tiny_bundle: Path) -> None:
    with pytest.raises(LinkError, match="vae_decoder"):
        latentlink.load(tiny_bundle, replace={"vae_decoder": imported})


def test_a_checkpoint_with_weights_is_not_taken_for_graphs(tiny: Path, tiny_onnx: Path) -> None:
    assert is_optimum_directory(tiny_onnx)
    assert not is_optimum_directory(tiny)


def test_a_space_of_its_own_needs_a_name_from_the_user(tiny_onnx: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"Name it with --space"):
        export_checkpoint(tiny_onnx, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_an_encoder_a_known_space_must_be_named(copy: Path) -> None:
    shutil.rmtree(copy / "vae_encoder")
    directory = OptimumDirectory.open(copy, names_space=True)
    assert directory.absent == {"vae_encoder"}
    with pytest.raises(CheckpointError, match=r"no vae_encoder.*Name a known space"):
        list(directory.network("vae", diffusers.AutoencoderKL).state_dict())


def test_clip_skip_needs_hidden_states_in_the_graph(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"hidden_states\.1 is needed"):
        export_checkpoint(copy, tmp_path / "out", options=ExportOptions(space="tiny", clip_skip=1))


def test_a_graph_is_imported_in_the_dtype_it_has(tiny_onnx: Path) -> None:
    with pytest.raises(CheckpointError, match=r"unet/model\.onnx is in float32, but --dtype is float16"):
        read(tiny_onnx, "unet", "float16")
    assert read(tiny_onnx, "vae", "float16").decoder.graph.dtype == "float32"


def test_a_class_that_optimum_does_not_export_is_refused(tiny_onnx: Path) -> None:
    with pytest.raises(CheckpointError, match=r"unet is a UNet3DConditionModel"):
        OptimumDirectory.open(tiny_onnx, names_space=True).network("unet", diffusers.UNet3DConditionModel)


@pytest.mark.parametrize("missing", ["unet/config.json", "vae_decoder/config.json", "text_encoder/model.onnx"])
def test_a_missing_file_is_named(copy: Path, missing: str) -> None:
    (copy / missing).unlink()
    with pytest.raises(CheckpointError, match=f"lacks {missing}"):
        read(copy, {"vae_decoder": "vae"}.get(missing.split("/")[0], missing.split("/")[0]))


def test_a_config_of_another_class_is_refused(copy: Path) -> None:
    (copy / "unet" / "config.json").write_text('{"block_out_channels": [4], "down_block_types": ["NoBlock"]}')
    with pytest.raises(CheckpointError, match=r"unet. cannot be read as UNet2DConditionModel"):
        read(copy, "unet")


def fixed(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2


def whole_timesteps(model: onnx.ModelProto) -> None:
    model.graph.input[1].type.tensor_type.elem_type = onnx.TensorProto.INT64


def other_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(onnx.helper.make_tensor_value_info("mid_block", onnx.TensorProto.FLOAT, ["n", 3]))


def other_output(model: onnx.ModelProto) -> None:
    old, model.graph.output[0].name = model.graph.output[0].name, "result"
    for node in model.graph.node:
        node.output[:] = ["result" if name == old else name for name in node.output]


def sampled(model: onnx.ModelProto) -> None:
    other_output(model)
    for node in model.graph.node:
        node.output[:] = ["latent_sample" if name == "result" else name for name in node.output]
    model.graph.output[0].name = "latent_sample"


def old_operators(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 14


@pytest.mark.parametrize(
    ("folder", "change", "message"),
    [
        ("unet", fixed, r"reads sample of shape \[2, 4, free, free\]; expected free dimensions \[0, 2, 3\]"),
        ("unet", whole_timesteps, "timestep as int64; expected a float"),
        ("unet", other_input, r"reads mid_block; an export by Optimum reads"),
        ("unet", other_output, "writes result; expected out_sample"),
        ("unet", old_operators, "opset 14; expected 18"),
        ("vae_decoder", fixed, r"reads latent_sample of shape \[2"),
        ("vae_decoder", other_output, "writes result; expected sample"),
        ("vae_encoder", sampled, "writes latent_sample, a latent sampled inside the graph"),
        ("vae_encoder", other_output, "writes result; expected latent_parameters"),
        ("text_encoder", fixed, r"reads input_ids of shape \[2, free\]"),
    ],
)
def test_a_graph_that_does_not_fit_is_refused_with_what_was_found(
    copy: Path, folder: str, change: Callable[[onnx.ModelProto], None], message: str
) -> None:
    edit(copy / folder / "model.onnx", change)
    with pytest.raises(CheckpointError, match=rf"{folder}/model\.onnx.*{message}"):
        read(copy, "vae" if folder.startswith("vae") else folder)


def test_a_weight_that_is_nan_is_named_and_an_infinite_mask_is_none(copy: Path) -> None:
    def poison(model: onnx.ModelProto) -> None:
        mask = onnx.numpy_helper.from_array(np.array([-np.inf], np.float32), "mask")
        bad = onnx.numpy_helper.from_array(np.array([1.0, np.nan], np.float32), "bad.weight")
        model.graph.initializer.extend([mask, bad])

    edit(copy / "text_encoder" / "model.onnx", poison)
    with pytest.raises(
        CheckpointError, match=r"text_encoder/model\.onnx has weights that are NaN, such as bad\.weight\."
    ):
        read(copy, "text_encoder")
