"""Single files that are damaged, lie, or are something else: refused with the reason, and nothing is written."""

from __future__ import annotations

import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.exporter import export_checkpoint

if TYPE_CHECKING:
    from tests.export.conftest import Published

Made = Callable[[str], "Published"]
PLAIN = ExportOptions()
UNET = "model.diffusion_model."


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def changed(file: Path, out: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> Path:
    state = load_file(file)
    change(state)
    save_file(state, out)
    return out


def load_unet(file: Path) -> None:
    from diffusers import UNet2DConditionModel

    Checkpoint.open(file, PLAIN).network("unet", UNet2DConditionModel)


@pytest.mark.parametrize("size", [0, 5, 2000, -1])
def test_a_truncated_file_is_refused(published: Made, tmp_path: Path, size: int) -> None:
    file = tmp_path / "cut.safetensors"
    file.write_bytes(published("sd1").file.read_bytes()[:size])
    with pytest.raises(CheckpointError, match="whole safetensors file"):
        export_checkpoint(file, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["cut.safetensors"]


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_is_not_unpickled_whatever_its_name(tmp_path: Path, protocol: int) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(pickle.dumps(Trap(tmp_path / "sprung"), protocol=protocol))
    with pytest.raises(CheckpointError, match="is a pickled checkpoint of torch; expected"):
        export_checkpoint(file, tmp_path / "out")
    torch.save({"state_dict": Trap(tmp_path / "sprung")}, file)
    with pytest.raises(CheckpointError, match="is a pickled checkpoint of torch; expected"):
        export_checkpoint(file, tmp_path / "out")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    "lie",
    [
        {"shape": [17]},
        {"shape": [2**62, 8]},
        {"shape": [-1]},
        {"dtype": "F16"},
        {"data_offsets": [64, 0]},
        {"data_offsets": [0, 2**60]},
    ],
)
def test_a_header_that_lies_about_its_tensors_is_refused(tmp_path: Path, lie: dict[str, Any]) -> None:
    file = tmp_path / "lie.safetensors"
    header = json.dumps({"a": {"dtype": "F32", "shape": [16], "data_offsets": [0, 64], **lie}}).encode()
    file.write_bytes(struct.pack("<Q", len(header)) + header + bytes(64))
    with pytest.raises(CheckpointError, match="whole safetensors file"):
        Checkpoint.open(file, PLAIN)


def test_a_missing_weight_is_named(published: Made, tmp_path: Path) -> None:
    key = "middle_block.2.out_layers.3.bias"
    file = changed(published("sd1").file, tmp_path / "m.safetensors", lambda state: state.pop(UNET + key))
    with pytest.raises(
        CheckpointError, match=r"The unet in .* lacks weights, such as mid_block\.resnets\.1\.conv2\.bias"
    ):
        load_unet(file)


def test_weights_that_the_network_has_no_place_for_are_named(published: Made, tmp_path: Path) -> None:
    for number, key in enumerate(("input_blocks.1.0.adapter.weight", "temporal.weight", "input_blocks.0.1.weight")):
        file = tmp_path / f"{number}.safetensors"
        save_file({**load_file(published("sd1").file), UNET + key: torch.ones(3)}, file)
        with pytest.raises(CheckpointError, match=r"does not have, such as .*(adapter|temporal|input_blocks\.0\.1)"):
            load_unet(file)


def test_a_denoiser_that_is_not_found_does_not_make_a_file_a_vae_alone(published: Made, tmp_path: Path) -> None:
    def other_prefix(state: dict[str, torch.Tensor]) -> None:
        for name in [name for name in state if name.startswith(UNET)]:
            state["net." + name.removeprefix(UNET)] = state.pop(name)

    def nothing(state: dict[str, torch.Tensor]) -> None:
        for name in [name for name in state if name.startswith(UNET)]:
            del state[name]

    for number, change in enumerate((other_prefix, nothing)):
        file = changed(published("sd1").file, tmp_path / f"{number}.safetensors", change)
        with pytest.raises(CheckpointError, match=r"holds a text_encoder and a vae, but no denoiser that is known"):
            Checkpoint.open(file, ExportOptions(space="sd"))


def test_what_a_vaes_training_leaves_in_its_file_is_left_alone_and_nothing_else(
    bare_vae: Callable[[int], Path], tmp_path: Path
) -> None:
    from diffusers import AutoencoderKL

    left = {name: torch.ones(1) for name in ("loss.logvar", "model_ema.decay", "model_ema.decoderconv_inbias", "epoch")}
    file = changed(bare_vae(4), tmp_path / "m.safetensors", lambda state: state.update(left))
    Checkpoint.open(file, PLAIN).network("vae", AutoencoderKL)
    state = load_file(file)
    for name, said in (("pool.0.weight", "pool"), ("decoder.up.0.pool.weight", "pool"), ("encoder.x.lora_A", "lora_A")):
        save_file({**state, name: torch.ones(1)}, tmp_path / "more.safetensors")
        with pytest.raises(CheckpointError, match=f"such as .*{said}"):
            Checkpoint.open(tmp_path / "more.safetensors", PLAIN).network("vae", AutoencoderKL)


@pytest.mark.parametrize("name", ["lora_unet_mid_block_attn.lora_up.weight", "lora_te_x.hada_w1_a", "control_model.a"])
def test_an_adapter_beside_a_whole_model_is_refused(published: Made, tmp_path: Path, name: str) -> None:
    more = {name: torch.ones(2, 2)}
    file = changed(published("sd1").file, tmp_path / "m.safetensors", lambda state: state.update(more))
    with pytest.raises(CheckpointError, match=f"holds an adapter beside the model, such as {name}"):
        Checkpoint.open(file, PLAIN)


def test_bookkeeping_outside_the_networks_is_left_alone(published: Made, tmp_path: Path) -> None:
    from transformers import CLIPTextModel

    more = {
        "betas": torch.ones(1000),
        "model_ema.decay": torch.ones(1),
        "first_stage_model.loss.logvar": torch.ones(1),
        "cond_stage_model.transformer.text_model.embeddings.position_ids": torch.arange(77)[None],
    }
    file = changed(published("sd1").file, tmp_path / "m.safetensors", lambda state: state.update(more))
    checkpoint = Checkpoint.open(file, PLAIN)
    load_unet(file)
    assert checkpoint.network("text_encoder", CLIPTextModel).config.hidden_size == 768


def test_a_weight_of_another_shape_is_named_with_both_shapes(published: Made, tmp_path: Path) -> None:
    key = f"{UNET}input_blocks.1.0.in_layers.2.bias"
    file = changed(published("sd1").file, tmp_path / "m.safetensors", lambda state: state.update({key: torch.ones(31)}))
    with pytest.raises(CheckpointError, match=r"conv1\.bias \(\[31\], expected \[64\]\)"):
        load_unet(file)


def test_a_fused_layer_of_another_height_is_named_with_both(published: Made, tmp_path: Path) -> None:
    from diffusers import FluxTransformer2DModel

    key = f"{UNET}single_blocks.0.linear1.weight"
    file = tmp_path / "m.safetensors"
    changed(published("flux-dev").file, file, lambda state: state.update({key: torch.ones(5, 128)}))
    with pytest.raises(CheckpointError, match=r"^The transformer's 'single_blocks.* has 5 rows; expected 896"):
        Checkpoint.open(file, PLAIN).network("transformer", FluxTransformer2DModel)


def test_quantised_weights_are_refused(published: Made, tmp_path: Path) -> None:
    key = f"{UNET}out.2.weight"
    file = changed(
        published("sd1").file, tmp_path / "m.safetensors", lambda state: state.update({key: state[key].to(torch.int8)})
    )
    with pytest.raises(CheckpointError, match=r"quantised weights, such as conv_out\.weight \(torch\.int8\)"):
        load_unet(file)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_named(published: Made, tmp_path: Path, value: float) -> None:
    key = f"{UNET}out.2.bias"
    file = changed(published("sd1").file, tmp_path / "m.safetensors", lambda state: state[key].fill_(value))
    with pytest.raises(CheckpointError, match=r"has weights that are NaN or infinite, such as conv_out\.bias\. "):
        load_unet(file)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_rounded_float8_weights_are_loaded_as_they_are_and_refused_with_scales(
    published: Made, tmp_path: Path, dtype: torch.dtype
) -> None:
    from diffusers import UNet2DConditionModel

    key = f"{UNET}out.2.weight"
    rounded = load_file(published("sd1").file)[key].to(dtype)
    file = changed(published("sd1").file, tmp_path / "m.safetensors", lambda state: state.update({key: rounded}))
    unet = Checkpoint.open(file, PLAIN).network("unet", UNet2DConditionModel)
    assert torch.equal(unet.conv_out.weight, rounded.float())
    scale = {f"{UNET}out.2.scale_weight": torch.ones(())}
    changed(file, tmp_path / "scaled.safetensors", lambda state: state.update(scale))
    with pytest.raises(CheckpointError, match=r"holds a quantised model; .* or in float8 without scales"):
        Checkpoint.open(tmp_path / "scaled.safetensors", PLAIN)


def test_half_precision_weights_are_loaded_in_float32(published: Made, tmp_path: Path) -> None:
    from diffusers import AutoencoderKL

    half = {name: tensor.half() for name, tensor in load_file(published("sd1").file).items()}
    save_file(half, tmp_path / "half.safetensors")
    vae = Checkpoint.open(tmp_path / "half.safetensors", PLAIN).network("vae", AutoencoderKL)
    whole = Checkpoint.open(published("sd1").file, PLAIN).network("vae", AutoencoderKL)
    for name, tensor in vae.state_dict().items():
        assert torch.equal(tensor, whole.state_dict()[name].half().float()), name


def test_parts_that_were_not_trained_together_are_refused(published: Made, tmp_path: Path) -> None:
    sd1, flux = load_file(published("sd1").file), load_file(published("flux-dev").file)
    foreign = {"first_stage_model." + n.removeprefix("vae."): t for n, t in flux.items() if n.startswith("vae.")}
    kept = {name: tensor for name, tensor in sd1.items() if not name.startswith("first_stage_model.")}
    save_file(kept | foreign, tmp_path / "m.safetensors")
    with pytest.raises(CheckpointError, match="out_channels is 4, but the other parts make 16"):
        Checkpoint.open(tmp_path / "m.safetensors", PLAIN)


def test_a_denoiser_of_no_known_family_is_refused_with_the_known_ones(published: Made, tmp_path: Path) -> None:
    def widen(state: dict[str, torch.Tensor]) -> None:
        for name in [name for name in state if "attn2.to_k" in name or "attn2.to_v" in name]:
            state[name] = torch.ones(state[name].shape[0], 512)

    file = changed(published("sd1").file, tmp_path / "m.safetensors", widen)
    with pytest.raises(CheckpointError, match=r"cross_attention_dim 512.*Stable Diffusion 1 \(cross_attention_dim 768"):
        Checkpoint.open(file, PLAIN)


def test_a_file_of_an_unknown_layout_is_called_that_with_examples(tmp_path: Path) -> None:
    save_file({"what.is.this": torch.ones(2, 2)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match=r"an unknown layout, such as 'what\.is\.this'; expected a denoiser of"):
        Checkpoint.open(tmp_path / "other.safetensors", PLAIN)


def test_flux_2s_vae_is_not_taken_for_one_with_a_plain_affine(bare_vae: Callable[[int], Path], tmp_path: Path) -> None:
    more = {"bn.running_mean": torch.zeros(128), "bn.running_var": torch.ones(128)}
    file = changed(bare_vae(32), tmp_path / "m.safetensors", lambda state: state.update(more))
    with pytest.raises(CheckpointError, match="batch norm"):
        Checkpoint.open(file, PLAIN)
