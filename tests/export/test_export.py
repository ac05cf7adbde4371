"""A tiny checkpoint, the whole way: exported, compared, built, and refused where it should be."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import latentlink
from latentlink.engine.build import build_bundle
from latentlink.engine.bundle import Bundle
from latentlink.engine.sizes import PictureSizes
from latentlink.errors import CheckpointError, LinkError, UsageError
from latentlink.export import exporter
from latentlink.export.checkpoints import ExportOptions
from latentlink.export.exporter import export_checkpoint


def test_every_component_agrees_with_torch_and_the_manifest_keeps_the_figures(tiny_export: Path) -> None:
    manifest = Bundle.open(tiny_export).manifest
    assert [*manifest.components] == ["denoiser", "text_encoder", "vae_decoder", "vae_encoder"]
    for name, component in manifest.components.items():
        parity = component.engines[0].parity
        assert parity is not None, name
        # 5e-6 is what the exporter reaches on random pictures; golden ones are flat in places, where the group norms of
        # a random network divide by small deviations. A picture may differ by one level of 255.
        assert float(parity["relative"]) <= (1 / 255 if name == "vae_decoder" else 5e-5), name


def test_channels_and_dtypes_are_static_while_batch_and_size_are_free(tiny_export: Path) -> None:
    denoiser = Bundle.open(tiny_export).manifest.components["denoiser"]
    latent = denoiser.outputs[0]
    assert latent.shape == ("B", 4, "h", "w")
    assert latent.dtype == "float32"
    assert {port.slot for port in denoiser.inputs} >= {"x", "noise", "history1", "history4"}


@pytest.mark.parametrize(("width", "height"), [(16, 16), (24, 8), (8, 40)])
def test_the_bundle_makes_the_latents_that_diffusers_makes(
    tiny: Path, tiny_bundle: Path, width: int, height: int
) -> None:
    from latentlink.bench.parity.case import Case
    from latentlink.bench.parity.compare import BothSystems

    sides = BothSystems(tiny, tiny_bundle)
    for guidance, count in ((1.0, 3), (5.0, 1)):
        case = Case(sampler="ddim", seed=3, guidance=guidance, num_images=count, width=width, height=height, steps=6)
        found = sides.compare(case)
        assert found.relative < 1e-5  # float32 on both sides, six steps
        assert found.psnr > 45


def test_a_fixed_size_is_built_into_the_engine_and_others_are_refused(tiny_export: Path, tmp_path: Path) -> None:
    build_bundle(
        tiny_export, tmp_path / "fixed", sizes=PictureSizes(width=(16, 16, 16), height=(16, 16, 24), batch=(1, 1, 2))
    )
    with latentlink.load(tmp_path / "fixed") as pipe:
        denoiser = next(engine for engine in pipe.engines if engine.component == "denoiser")
        assert denoiser.session.outputs[0].shape == ("B", 4, "h", 8)
        assert pipe.generate("a", steps=2, width=16, height=24, guard="off").images[0].size == (16, 24)
        with pytest.raises(UsageError, match="Width 24"):
            pipe.generate("a", steps=2, width=24, height=16)
        with pytest.raises(UsageError, match="3 pictures"):
            pipe.generate("a", steps=2, width=16, height=16, num_images=3)


def test_half_precision_interfaces_link_among_themselves_only(tiny: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    options = ExportOptions(dtype="float16", io_dtype="float16", without=("vae_encoder",))
    export_checkpoint(tiny, tmp_path / "half", options=options)
    build_bundle(tmp_path / "half", tmp_path / "half-bundle")
    with latentlink.load(tmp_path / "half-bundle") as half, latentlink.load(tiny_bundle) as full:
        made, wanted = (pipe.generate("a", seed=1, steps=4, guard="off").latents.array for pipe in (half, full))
        assert made.dtype == np.float16
        # 11 significant bits, four steps of a random network
        assert np.linalg.norm(made - wanted) / np.linalg.norm(wanted) < 2e-2
    with pytest.raises(LinkError, match="--io-dtype"):
        latentlink.load(tiny_bundle, replace={"vae_decoder": tmp_path / "half-bundle"})


def test_an_earlier_export_is_kept_when_the_new_one_fails(tiny: Path, tiny_export: Path, tmp_path: Path) -> None:
    out = tmp_path / "export"
    shutil.copytree(tiny_export, out)
    broken = tmp_path / "broken"
    shutil.copytree(tiny, broken)
    shutil.rmtree(broken / "vae")
    before = (out / "manifest.json").read_bytes()
    with pytest.raises(CheckpointError, match="vae"):
        export_checkpoint(broken, out)
    assert (out / "manifest.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        export_checkpoint(tmp_path / "none", tmp_path / "out")
    with pytest.raises(CheckpointError, match=r"model_index\.json"):
        export_checkpoint(tmp_path, tmp_path / "out")
    (tmp_path / "model_index.json").write_text("{")
    with pytest.raises(CheckpointError, match="not JSON"):
        export_checkpoint(tmp_path, tmp_path / "out")


def test_an_unknown_family_is_refused_with_the_known_ones(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="one of: sd1"):
        export_checkpoint(tiny, tmp_path / "out", family="sd9")
    other = tmp_path / "other"
    shutil.copytree(tiny, other)
    index = json.loads((other / "model_index.json").read_text())
    index["unet"] = ["diffusers", "UNet3DConditionModel"]
    (other / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="No recipe reads this checkpoint"):
        export_checkpoint(other, tmp_path / "out")


@pytest.mark.parametrize("damage", ["pickled", "truncated"])
def test_weights_that_are_no_safetensors_are_not_read(tiny: Path, tmp_path: Path, damage: str) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny, other)
    weights = other / "text_encoder" / "model.safetensors"
    if damage == "pickled":
        weights.rename(weights.with_name("pytorch_model.bin"))
    else:
        weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="text_encoder"):
        export_checkpoint(other, tmp_path / "out", options=ExportOptions(without=("vae_decoder", "vae_encoder")))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("key", ["stochastic_sampling", "thresholding"])
def test_a_data_dependent_scheduler_is_refused_by_name(tiny: Path, tmp_path: Path, key: str) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny, other)
    path = other / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: True}))
    with pytest.raises(CheckpointError, match=key):
        export_checkpoint(other, tmp_path / "out")


def test_how_a_checkpoint_is_read_otherwise_than_it_says_is_told_and_kept_in_the_manifest(
    tiny: Path, tiny_export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = shutil.copytree(tiny, tmp_path / "checkpoint")
    path = checkpoint / "scheduler" / "scheduler_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "steps_offset": 0}))
    index = json.loads((checkpoint / "model_index.json").read_text())
    index["scheduler"] = ["diffusers", "KDPM2AncestralDiscreteScheduler"]
    (checkpoint / "model_index.json").write_text(json.dumps(index))
    # components are those of the earlier export, as nothing about them is of interest here
    done = Bundle.open(tiny_export).manifest.components
    monkeypatch.setattr(exporter, "export_component", lambda component, *_: (done[component.name], None))
    monkeypatch.setattr(exporter, "write_bundle", lambda _, manifest: manifest)
    told: list[str] = []
    manifest = export_checkpoint(checkpoint, tmp_path / "out", on_note=told.append)
    assert (manifest.sampling.sampler, manifest.sampling.schedule["steps_offset"]) == ("pndm", 1)
    assert "KDPM2AncestralDiscreteScheduler is no sampler here; pndm" in manifest.provenance["sampler"]
    assert manifest.provenance["config.scheduler"].startswith("scheduler_config.json says PNDMScheduler; model_index")
    assert manifest.provenance["config.scheduler.steps_offset"].startswith(
        "steps_offset 0 in the config of the scheduler"
    )
    assert told == [
        manifest.provenance[f"{key}"] for key in ("config.scheduler", "config.scheduler.steps_offset", "sampler")
    ]


def test_a_directory_that_is_not_an_export_is_not_overwritten(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "precious"
    out.mkdir()
    (out / "letter.txt").write_text("dear")
    with pytest.raises(UsageError):
        export_checkpoint(tiny, out)
    assert (out / "letter.txt").read_text() == "dear"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"checkpoint": b"tiny"}, "checkpoint is b'tiny'; expected a path"),
        ({"checkpoint": "a\0b"}, "holds the character NUL"),
        ({"out": "demo"}, "'demo' is the name of a bundle that comes with latentlink"),
        ({"family": 3}, "family is 3; expected str"),
        ({"options": {"dtype": "float16"}}, "expected ExportOptions"),
        ({"on_done": 3}, "on_done is 3; expected a function, or None"),
    ],
)
def test_an_argument_of_another_type_is_refused_before_the_checkpoint_is_read(
    tmp_path: Path, arguments: dict[str, Any], says: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(says)):
        export_checkpoint(**{"checkpoint": tmp_path / "none", "out": tmp_path / "out", **arguments})


@pytest.mark.parametrize(
    "option",
    [
        {"dtype": "int8"},
        {"io_dtype": 3},
        {"space": 3},
        {"tokenizer": b"a"},
        {"without": "text_encoder_3"},
        {"wide": [3]},
    ],
    ids=str,
)
def test_an_export_option_of_another_type_is_refused_by_name(option: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(option))):
        ExportOptions(**option)
