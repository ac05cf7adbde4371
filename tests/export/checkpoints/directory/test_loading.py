"""Diffusers directories: whole or in shards, plain or in a variant's precision, whole checkpoints or a VAE alone."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.recipes import find_recipe

PLAIN = ExportOptions()
INDEX = "diffusion_pytorch_model.safetensors.index.json"


@pytest.fixture
def saved(tiny: Path, tmp_path: Path) -> Callable[..., Path]:
    """Copies the tiny checkpoint, its networks saved again with arguments of `save_pretrained`."""
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextModel

    def save(dtype: torch.dtype = torch.float32, **arguments: Any) -> Path:
        root = tmp_path / "saved"
        shutil.copytree(tiny, root)
        for part, cls in (("unet", UNet2DConditionModel), ("text_encoder", CLIPTextModel)):
            network = cls.from_pretrained(tiny / part)
            for weights in (root / part).glob("*.safetensors"):
                weights.unlink()
            network.to(dtype).save_pretrained(root / part, **arguments)
        return root

    return save


def states(root: Path) -> Mapping[str, torch.Tensor]:
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextModel

    checkpoint = Checkpoint.open(root, PLAIN)
    return {
        f"{part}.{name}": tensor
        for part, cls in (("unet", UNet2DConditionModel), ("text_encoder", CLIPTextModel))
        for name, tensor in checkpoint.network(part, cls).state_dict().items()
    }


def test_shards_give_the_weights_of_the_whole_file(tiny: Path, saved: Callable[..., Path]) -> None:
    root = saved(max_shard_size="100KB")
    assert len([*(root / "unet").glob("*-of-*.safetensors")]) > 1
    assert len([*(root / "text_encoder").glob("*-of-*.safetensors")]) > 1
    found, wanted = states(root), states(tiny)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("shard", ["5GB", "100KB"])
def test_where_there_are_no_plain_weights_the_half_precision_variant_is_read(
    tiny: Path, saved: Callable[..., Path], shard: str
) -> None:
    root = saved(torch.float16, variant="fp16", max_shard_size=shard)
    assert not (root / "unet" / "diffusion_pytorch_model.safetensors").exists()
    found, wanted = states(root), states(tiny)
    assert {tensor.dtype for tensor in found.values()} == {torch.float32}
    assert all(torch.equal(found[name], wanted[name].half().float()) for name in wanted)


def test_plain_weights_are_preferred_to_a_variant(tiny: Path, saved: Callable[..., Path]) -> None:
    root = saved(torch.float16, variant="fp16")
    for part in ("unet", "text_encoder"):
        for weights in (tiny / part).glob("*.safetensors"):
            shutil.copy(weights, root / part)
    found, wanted = states(root), states(tiny)
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_between_weights_that_differ_nobody_chooses_in_silence(saved: Callable[..., Path]) -> None:
    with pytest.raises(CheckpointError, match=r"files are: diffusion_pytorch_model\.non_ema\.safetensors"):
        states(saved(variant="non_ema"))


@pytest.mark.parametrize("shard", ["../evil.safetensors", "evil.bin", "/etc/passwd", "gone.safetensors", 3])
def test_a_shard_that_is_no_safetensors_file_beside_its_index_is_not_followed(
    saved: Callable[..., Path], tmp_path: Path, shard: object
) -> None:
    root = saved(max_shard_size="100KB")
    index = json.loads((root / "unet" / INDEX).read_text())
    first = next(iter(index["weight_map"]))
    index["weight_map"][first] = shard
    (root / "unet" / INDEX).write_text(json.dumps(index))
    (root / "evil.safetensors").write_bytes(b"")
    # unpickling it would leave a file behind
    (root / "unet" / "evil.bin").write_bytes(pickle.dumps(_Trap(tmp_path / "sprung")))
    with pytest.raises(CheckpointError, match=r"expected a \.safetensors file beside it"):
        states(root)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
@pytest.mark.parametrize("variant", ["", ".fp16"])
def test_a_pickle_behind_an_index_is_not_read_beside_a_whole_file(
    tiny: Path, tmp_path: Path, part: str, variant: str
) -> None:
    import diffusers
    import transformers

    root = tmp_path / "checkpoint"
    shutil.copytree(tiny, root)
    (whole,) = (root / part).glob("*.safetensors")
    stem = whole.stem
    names = load_file(whole).keys()
    whole.rename(whole.with_name(f"{stem}{variant}.safetensors"))
    (root / part / f"{stem}.safetensors.index{variant}.json").write_text(
        json.dumps({"weight_map": dict.fromkeys(names, "w.bin")})
    )
    (root / part / "w.bin").write_bytes(pickle.dumps(_Trap(tmp_path / "sprung")))
    checkpoint = Checkpoint.open(root, PLAIN)
    cls = getattr(diffusers, checkpoint.classes[part], None) or getattr(transformers, checkpoint.classes[part])
    with pytest.raises(CheckpointError, match="holds weights several times"):
        checkpoint.network(part, cls)
    assert not (tmp_path / "sprung").exists()


class _Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_an_index_that_is_none_is_refused(saved: Callable[..., Path]) -> None:
    root = saved(max_shard_size="100KB")
    (root / "unet" / INDEX).write_text("[]")
    with pytest.raises(CheckpointError, match=r"holds no JSON object"):
        states(root)


def test_weights_that_a_network_lacks_are_not_filled_in(tiny: Path, tmp_path: Path) -> None:
    from diffusers import UNet2DConditionModel

    root = tmp_path / "lacking"
    shutil.copytree(tiny, root)
    weights = root / "unet" / "diffusion_pytorch_model.safetensors"
    state = load_file(weights)
    del state["conv_out.bias"]
    save_file(state, weights)
    with pytest.raises(CheckpointError, match=r"lacks weights, such as conv_out\.bias\."):
        Checkpoint.open(root, PLAIN).network("unet", UNet2DConditionModel)


def test_a_directory_may_be_a_vae_alone(tiny: Path) -> None:
    from diffusers import AutoencoderKL

    checkpoint = Checkpoint.open(tiny / "vae", PLAIN)
    assert checkpoint.classes == {"vae": "AutoencoderKL"}
    assert checkpoint.config("vae")["scaling_factor"] == 0.4321
    found = checkpoint.network("vae", AutoencoderKL).state_dict()
    wanted = Checkpoint.open(tiny, PLAIN).network("vae", AutoencoderKL).state_dict()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    with pytest.raises(CheckpointError, match="'unet', which this export needs"):
        checkpoint.config("unet")


def test_another_network_alone_is_refused_by_name(tiny: Path) -> None:
    with pytest.raises(CheckpointError, match=r"one UNet2DConditionModel and no model_index\.json"):
        Checkpoint.open(tiny / "unet", PLAIN)


def test_code_alone_is_refused_by_name(tiny: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny / "vae", tmp_path / "vae")
    config = json.loads((tmp_path / "vae" / "config.json").read_text())
    (tmp_path / "vae" / "config.json").write_text(json.dumps(config | {"_class_name": ["code", "AutoencoderKL"]}))
    with pytest.raises(CheckpointError, match=r"one \['code', 'AutoencoderKL'\] and no model_index\.json"):
        Checkpoint.open(tmp_path / "vae", PLAIN)


def test_the_users_prediction_fills_a_gap_in_the_scheduler_and_never_overrules_it(tiny: Path, tmp_path: Path) -> None:
    asked = ExportOptions(prediction="v_prediction")
    assert Checkpoint.open(tiny, asked).config("scheduler")["prediction_type"] == "v_prediction"
    assert "prediction_type" not in Checkpoint.open(tiny, PLAIN).config("scheduler")
    root = tmp_path / "stated"
    shutil.copytree(tiny, root)
    path = root / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"prediction_type": "epsilon"}))
    with pytest.raises(CheckpointError, match="the checkpoint's scheduler says epsilon"):
        Checkpoint.open(root, asked).config("scheduler")


def test_a_prediction_for_a_scheduler_of_flows_is_refused(tiny: Path, tmp_path: Path) -> None:
    root = tmp_path / "flow"
    shutil.copytree(tiny, root)
    flow = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}
    (root / "scheduler" / "scheduler_config.json").write_text(json.dumps(flow))
    index = json.loads((root / "model_index.json").read_text())
    index["scheduler"] = ["diffusers", flow["_class_name"]]
    (root / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="predicts a flow"):
        Checkpoint.open(root, ExportOptions(prediction="epsilon")).config("scheduler")


def test_a_part_named_like_a_path_is_no_part(tiny: Path, tmp_path: Path) -> None:
    root = tmp_path / "odd"
    shutil.copytree(tiny, root)
    index = json.loads((root / "model_index.json").read_text())
    (root / "model_index.json").write_text(json.dumps(index | {"../unet": ["diffusers", "UNet2DConditionModel"]}))
    assert "../unet" not in Checkpoint.open(root, PLAIN).classes


def test_a_class_of_code_beside_the_weights_is_not_taken_for_the_librarys(tiny: Path, tmp_path: Path) -> None:
    root = tmp_path / "custom"
    shutil.copytree(tiny, root)
    index = json.loads((root / "model_index.json").read_text())
    (root / "model_index.json").write_text(json.dumps(index | {"unet": ["my_unet", "UNet2DConditionModel"]}))
    checkpoint = Checkpoint.open(root, PLAIN)
    assert checkpoint.classes["unet"] == "my_unet.UNet2DConditionModel"
    with pytest.raises(CheckpointError, match=r"it holds .*unet=my_unet\.UNet2DConditionModel"):
        find_recipe(checkpoint, "auto")
