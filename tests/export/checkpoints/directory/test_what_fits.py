"""Networks of directories: published layouts load as in their libraries; what does not fit is refused by name."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import torch
from safetensors.torch import load_file, save_file

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.directory.loading import load_network

State: TypeAlias = dict[str, torch.Tensor]

CLIP = {
    "vocab_size": 12,
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 7,
    "projection_dim": 4,
    "bos_token_id": 0,
    "eos_token_id": 2,
}
T5 = {"vocab_size": 12, "d_model": 8, "d_kv": 4, "d_ff": 8, "num_layers": 2, "num_heads": 2}


def made(kind: str) -> Any:
    """A small random network."""
    import diffusers
    import transformers

    torch.manual_seed(5)
    if kind == "AutoencoderKL":
        return diffusers.AutoencoderKL(block_out_channels=(8,), norm_num_groups=2, layers_per_block=1)
    if kind == "CLIPModel":
        vision = {**CLIP, "image_size": 4, "patch_size": 2}
        return transformers.CLIPModel(transformers.CLIPConfig(text_config=CLIP, vision_config=vision, projection_dim=4))
    cls = getattr(transformers, kind)
    arguments: dict[str, Any] = CLIP if kind.startswith("CLIP") else {**T5, "feed_forward_proj": "gated-gelu"}
    return cls(cls.config_class(**arguments))


def saved(folder: Path, kind: str, change: Callable[[State], State] = dict, **config: Any) -> Path:
    """A folder with such a network, its tensors and its config changed."""
    made(kind).save_pretrained(folder)
    (file,) = folder.glob("*.safetensors")
    save_file(change(load_file(file)), file)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | config))
    return folder


def class_of(kind: str) -> Any:
    import diffusers
    import transformers

    return getattr(diffusers, kind, None) or getattr(transformers, kind)


def nested(state: State) -> State:
    """Names of transformers before release 5, with the positions that it once stored."""
    bare = {name.removeprefix("text_model."): tensor for name, tensor in state.items()}
    named = {name if name.startswith("text_proj") else f"text_model.{name}": tensor for name, tensor in bare.items()}
    return {**named, "text_model.embeddings.position_ids": torch.arange(7)[None]}


def bare(state: State) -> State:
    return {name.removeprefix("text_model."): tensor for name, tensor in state.items()}


def old_attention(state: State) -> State:
    """Names of diffusers before release 0.18."""
    new = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    for name, old in new.items():
        state = {key.replace(f".{name}.", f".{old}."): tensor for key, tensor in state.items()}
    assert any("proj_attn" in key for key in state)
    return state


def both(change: Callable[[State], State]) -> Callable[[State], State]:
    """Tensors under their names and under those that `change` gives them."""
    return lambda state: {**state, **{name: tensor.clone() for name, tensor in change(state).items()}}


def under(*names: str) -> Callable[[State], State]:
    """A T5 encoder whose embedding is stored under these names."""

    def change(state: State) -> State:
        rest = {name: tensor for name, tensor in state.items() if name != "shared.weight"}
        return {**rest, **{name: state["shared.weight"].clone() for name in names}}

    return change


@pytest.mark.parametrize(
    ("stored", "kind", "change"),
    [
        ("CLIPTextModel", "CLIPTextModel", nested),
        ("CLIPTextModel", "CLIPTextModel", bare),
        ("CLIPTextModelWithProjection", "CLIPTextModelWithProjection", nested),
        ("CLIPTextModelWithProjection", "CLIPTextModel", nested),
        ("CLIPModel", "CLIPTextModel", dict),
        ("CLIPModel", "CLIPTextModelWithProjection", dict),
        ("T5EncoderModel", "T5EncoderModel", under("shared.weight")),
        ("T5EncoderModel", "T5EncoderModel", under("encoder.embed_tokens.weight")),
        ("T5EncoderModel", "T5EncoderModel", under("shared.weight", "encoder.embed_tokens.weight")),
        ("T5ForConditionalGeneration", "T5EncoderModel", dict),
        ("UMT5EncoderModel", "UMT5EncoderModel", dict),
        ("AutoencoderKL", "AutoencoderKL", dict),
        ("AutoencoderKL", "AutoencoderKL", old_attention),
    ],
)
def test_a_published_layout_gives_the_weights_that_its_library_reads(
    tmp_path: Path, stored: str, kind: str, change: Callable[[State], State]
) -> None:
    folder, cls = saved(tmp_path / "network", stored, change), class_of(kind)
    found, wanted = load_network(cls, folder), cls.from_pretrained(folder)
    assert not found.training
    assert found.state_dict().keys() == wanted.state_dict().keys()
    for name, tensor in wanted.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor), name


KINDS = ("CLIPTextModel", "T5EncoderModel", "AutoencoderKL")


def wide(state: State) -> str:
    """A weight with two dimensions that every network here has under one name."""
    return next(
        name for name in sorted(state) if state[name].ndim == 2 and "embed" not in name and "shared" not in name
    )


def with_value(value: float) -> Callable[[State], State]:
    def change(state: State) -> State:
        state[wide(state)][0, 0] = value
        return state

    return change


def as_type(dtype: torch.dtype) -> Callable[[State], State]:
    def change(state: State) -> State:
        return {**state, wide(state): state[wide(state)].to(dtype)}

    return change


def with_adapter(state: State) -> State:
    name = wide(state).removesuffix(".weight")
    return {**state, f"{name}.lora_A.weight": torch.ones(2, 8), f"{name}.lora_B.weight": torch.ones(8, 2)}


def with_scales(state: State) -> State:
    return {**state, f"{wide(state)}_scale": torch.ones(8)}


def taller(state: State) -> State:
    return {**state, wide(state): torch.ones(9, 8)}


def without_one(state: State) -> State:
    return {name: tensor for name, tensor in state.items() if name != wide(state)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (with_adapter, r"holds tensors that \w+ does not have, such as .*lora_A\.weight, .*lora_B\.weight\. "),
        (with_scales, r"holds tensors that \w+ does not have, such as .*weight_scale\. "),
        (without_one, r"lacks weights, such as .*weight\. "),
        (taller, r"has tensors of other shapes, such as .*weight \(\[9, 8\], expected \[\d+, \d+\]\)\. "),
        (as_type(torch.int8), r"has quantised weights, such as .*weight \(torch\.int8\)\. "),
        (as_type(torch.uint8), r"has quantised weights, such as .*weight \(torch\.uint8\)\. "),
        (as_type(torch.int64), r"has quantised weights, such as .*weight \(torch\.int64\)\. "),
        (as_type(torch.float8_e4m3fn), r"has quantised weights, such as .*weight \(torch\.float8_e4m3fn\)\. "),
        (with_value(float("nan")), r"has weights that are NaN or infinite, such as .*weight\. "),
        (with_value(float("-inf")), r"has weights that are NaN or infinite, such as .*weight\. "),
    ],
)
def test_tensors_that_are_not_just_the_networks_weights_are_named(
    tmp_path: Path, kind: str, change: Callable[[State], State], said: str
) -> None:
    folder = saved(tmp_path / "network", kind, change)
    with pytest.raises(CheckpointError, match=said):
        load_network(class_of(kind), folder)


@pytest.mark.parametrize(
    ("kind", "config"),
    [("CLIPTextModel", {"num_hidden_layers": 1}), ("T5EncoderModel", {"num_layers": 1})],
)
def test_the_layers_that_a_config_leaves_out_are_counted(tmp_path: Path, kind: str, config: dict[str, Any]) -> None:
    folder = saved(tmp_path / "network", kind, **config)
    with pytest.raises(CheckpointError, match=r"does not have, such as .*\.1\..* and \d+ more\."):
        load_network(class_of(kind), folder)


def test_a_tensor_under_its_old_and_its_new_name_is_refused(tmp_path: Path) -> None:
    for kind, change in (("AutoencoderKL", old_attention), ("CLIPTextModel", nested)):
        folder = saved(tmp_path / kind, kind, both(change))
        with pytest.raises(CheckpointError, match="holds weights under two names"):
            load_network(class_of(kind), folder)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, "has quantised weights .quantization_config"),
        (
            {"text_config": {"quantization_config": {"quant_method": "fp8"}}},
            "has quantised weights .quantization_config",
        ),
        ({"transformers_weights": "../other.safetensors"}, "has weights in another file .transformers_weights"),
        ({"_class_name": "UNet2DConditionModel"}, "holds a UNet2DConditionModel by its config.json"),
        ({"_class_name": ["code", "Mine"]}, r"holds a \['code', 'Mine'\] by its config.json"),
    ],
)
def test_a_config_that_points_elsewhere_is_refused(
    tmp_path: Path, kind: str, config: dict[str, Any], said: str
) -> None:
    folder = saved(tmp_path / "network", kind, **config)
    with pytest.raises(CheckpointError, match=said):
        load_network(class_of(kind), folder)


@pytest.mark.parametrize("kind", KINDS)
def test_code_and_kernels_that_a_config_names_are_not_used(tmp_path: Path, kind: str) -> None:
    code: dict[str, Any] = {"auto_map": {"AutoModel": "code.Mine"}, "trust_remote_code": True}
    kernels: dict[str, Any] = {
        "attn_implementation": "org/kernel",
        "fusion_config": {"patch_embeddings": True},
        "torch_dtype": "half",
    }
    folder = saved(tmp_path / "network", kind, **code, **kernels)
    (folder / "code.py").write_text("raise SystemExit")
    found = load_network(class_of(kind), folder)
    assert {tensor.dtype for tensor in found.parameters()} == {torch.float32}


OF_THE_LIBRARY: dict[str, Any] = {
    "_attn_implementation": "org/kernel",
    "_attn_implementation_internal": "org/kernel",
    "_commit_hash": 3,
    "_name_or_path": {},
    "_diffusers_version": [],
    "architectures": 3,
    "return_dict": False,
    "output_hidden_states": "yes",
    "chunk_size_feed_forward": 7,
    "num_labels": 10**9,
    "id2label": {"a": "b"},
    "pruned_heads": {"0": [0]},
    "tie_encoder_decoder": True,
    "layer_types": ["x"],
    "rope_parameters": {"rope_type": "yarn"},
    "attribute_map": {"hidden_size": "vocab_size"},
    "sub_configs": {},
    "to_dict": 1,
    "get_text_config": 1,
    "validate": 1,
    "__class__": "x",
    "self": 1,
    "kwargs": {"a": 1},
}
"""Keys of no class here, that libraries read in configs, set as attributes, or pass as arguments."""


@pytest.mark.parametrize("kind", KINDS)
def test_keys_that_are_not_the_classs_own_change_nothing(tmp_path: Path, kind: str) -> None:
    plain = load_network(class_of(kind), saved(tmp_path / "plain", kind))
    found = load_network(class_of(kind), saved(tmp_path / "network", kind, **OF_THE_LIBRARY))
    ids = torch.tensor([[0, 1, 2, 2, 2, 2, 2]])
    inputs = torch.ones(1, 3, 8, 8) if kind == "AutoencoderKL" else ids
    for wanted, value in zip(plain(inputs).values(), found(inputs).values(), strict=True):
        assert torch.equal(wanted, value)


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("CLIPTextModel", {"num_hidden_layers": 10**9}),
        ("CLIPTextModel", {"intermediate_size": 10**7}),
        ("CLIPTextModel", {"max_position_embeddings": 10**9}),
        ("CLIPTextModel", {"vocab_size": 10**12}),
        ("T5EncoderModel", {"num_layers": 10**9}),
        ("T5EncoderModel", {"d_model": 10**7}),
        ("AutoencoderKL", {"layers_per_block": 10**9}),
        ("AutoencoderKL", {"latent_channels": 10**8}),
        ("AutoencoderKL", {"block_out_channels": [10**7]}),
    ],
)
def test_a_network_is_made_no_larger_than_its_file(tmp_path: Path, kind: str, config: dict[str, Any]) -> None:
    folder = saved(tmp_path / "network", kind, **config)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError, match="its config describes a network of more than 4 times as many"):
        load_network(class_of(kind), folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000, "kB"


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_beside_the_weights_is_refused(tmp_path: Path, kind: str) -> None:
    folder = saved(tmp_path / "network", kind)
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "org/other"}))
    with pytest.raises(CheckpointError, match=r"holds an adapter \(adapter_config\.json\)"):
        load_network(class_of(kind), folder)


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("CLIPTextModel", {"hidden_size": "wide"}),
        ("T5EncoderModel", {"num_heads": -1}),
        ("AutoencoderKL", {"act_fn": 3}),
    ],
)
def test_a_config_of_no_network_is_refused_in_a_sentence(tmp_path: Path, kind: str, config: dict[str, Any]) -> None:
    folder = saved(tmp_path / "network", kind, **config)
    with pytest.raises(CheckpointError, match=f"cannot be read as {kind}"):
        load_network(class_of(kind), folder)
