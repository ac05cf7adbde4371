"""Tiny VAEs in their author's files: what is read from names and shapes, and what is refused in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.parts import Taesd
from tests.export.tiny_vaes import authors_decoder, authors_encoder

State = dict[str, Tensor]


def halves(channels: int = 4, **kind: bool) -> tuple[State, State]:
    """Weights of both halves as the author writes them."""
    torch.manual_seed(1)
    return authors_encoder(channels, **kind).state_dict(), authors_decoder(channels, **kind).state_dict()


def opened(path: Path) -> Checkpoint:
    return Checkpoint.open(path, ExportOptions(space="sd"))


def saved(folder: Path, **states: State) -> Path:
    folder.mkdir(exist_ok=True)
    for name, state in states.items():
        save_file({key: tensor.contiguous() for key, tensor in state.items()}, folder / f"{name}.safetensors")
    return folder


@pytest.mark.parametrize(
    ("channels", "kind", "layout"),
    [(4, {}, (4, 8)), (16, {}, (16, 8)), (32, {"pooled": True}, (32, 8)), (32, {"deep": True}, (32, 32))],
)
def test_every_architecture_of_the_author_is_read_from_names_and_shapes(
    tmp_path: Path, channels: int, kind: dict[str, bool], layout: tuple[int, int]
) -> None:
    encoder, decoder = halves(channels, **kind)
    checkpoint = opened(saved(tmp_path, taesd_encoder=encoder, taesd_decoder=decoder))
    config = checkpoint.config("vae")
    assert (config["latent_channels"], config["downscale"]) == layout
    network = checkpoint.network("vae", Taesd)
    picture, latent = torch.rand(1, 3, 64, 32), torch.randn(1, channels, 2, 1)
    with torch.no_grad():
        for ours, theirs, given in (
            (network.encoder, authors_encoder(channels, **kind), picture),
            (network.decoder, authors_decoder(channels, **kind), latent),
        ):
            theirs.load_state_dict(encoder if given is picture else decoder)
            torch.testing.assert_close(ours(given), theirs(given))


@pytest.mark.parametrize("half", ["encoder", "decoder"])
def test_one_file_is_one_half(tmp_path: Path, half: str) -> None:
    state = dict(zip(("encoder", "decoder"), halves(), strict=True))[half]
    checkpoint = opened(saved(tmp_path, any_name=state) / "any_name.safetensors")
    other = {"encoder": "decoder", "decoder": "encoder"}[half]
    assert checkpoint.absent == {f"vae_{other}"}
    network = checkpoint.network("vae", Taesd)
    assert getattr(network, other) is None
    torch.testing.assert_close(dict(getattr(network, half).state_dict()), dict(state))


def test_a_single_file_of_diffusers_is_the_same_vae(tmp_path: Path) -> None:
    from diffusers import AutoencoderTiny

    torch.manual_seed(2)
    vae = AutoencoderTiny(encoder_block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4).eval()
    save_file(vae.state_dict(), tmp_path / "taesd.safetensors")
    checkpoint = opened(tmp_path / "taesd.safetensors")
    assert checkpoint.absent == frozenset()
    network = checkpoint.network("vae", Taesd)
    picture, latent = torch.rand(1, 3, 16, 24), torch.randn(1, 4, 2, 3)
    with torch.no_grad():
        torch.testing.assert_close(network.encoder(picture), vae.encoder(picture * 2 - 1))
        torch.testing.assert_close(network.decoder(latent) * 2 - 1, vae.decoder(latent))


def without(state: State, name: str) -> State:
    return {key: tensor for key, tensor in state.items() if key != name}


DAMAGED: dict[str, tuple[Any, str]] = {
    "a layer is missing": (lambda e, d: {"a": {k: v for k, v in e.items() if not k.startswith("4.")}}, "layer 4"),
    "a tensor is missing": (lambda e, d: {"a": without(e, "3.conv.2.bias")}, r"lacks weights, .*3\.conv\.2\.b"),
    "a norm of a pool is missing": (lambda e, d: {"a": {**e, "3.pool.0.weight": torch.ones(256, 64, 1, 1)}}, "lacks w"),
    "a shape is another": (lambda e, d: {"a": {**e, "3.conv.2.weight": torch.ones(64, 64, 1, 1)}}, "other shapes"),
    "a first layer is a vector": (lambda e, d: {"a": {**e, "0.weight": torch.ones(64)}}, "expected 4 dimensions"),
    "layers do not fit": (lambda e, d: {"a": {**e, "2.weight": torch.ones(64, 32, 3, 3)}}, "do not fit on each other"),
    "pictures have no 3 channels": (lambda e, d: {"a": {**e, "0.weight": torch.ones(64, 4, 3, 3)}}, "of 3 channels"),
    "there is more beside it": (lambda e, d: {"a": {**e, "model.up.weight": torch.ones(1)}}, "tensors of no tiny VAE"),
    "a tensor has two names": (lambda e, d: {"a": {**e, "02.weight": e["2.weight"] + 1}}, "twice, such as 02.weight"),
    "it is not finite": (lambda e, d: {"a": {**e, "2.weight": torch.full((64, 64, 3, 3), torch.nan)}}, "NaN"),
    "it is quantised": (lambda e, d: {"a": {**e, "2.weight": torch.ones(64, 64, 3, 3, dtype=torch.int8)}}, "quantised"),
    "there are two encoders": (lambda e, d: {"a": e, "b": e}, "the encoders of several tiny VAEs, a.safetensors and b"),
    "the halves differ": (lambda e, d: {"a": e, "b": halves(16)[1]}, "encoder has 4 channels, /8 and the dec"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGED)
def test_what_is_no_tiny_vae_is_refused_in_a_sentence(tmp_path: Path, damage: str) -> None:
    change, said = DAMAGED[damage]
    folder = saved(tmp_path, **change(*halves()))
    with pytest.raises(CheckpointError, match=said):
        opened(folder).network("vae", Taesd)


def test_a_directory_of_diffusers_is_left_to_its_own_reader(tmp_path: Path) -> None:
    encoder, decoder = halves()
    saved(tmp_path, taesd_encoder=encoder, taesd_decoder=decoder)
    (tmp_path / "config.json").write_text('{"_class_name": "AutoencoderTiny"}')
    assert opened(tmp_path).classes == {"vae": "AutoencoderTiny"}


@pytest.mark.parametrize("name", ["taesd/taesd", "taesd/taesdxl", "taef2/taef2"])
def test_the_published_files_are_read(name: str, weights: Path) -> None:
    for half, author in (("encoder", authors_encoder), ("decoder", authors_decoder)):
        path = weights / f"{name}_{half}.safetensors"
        network = getattr(opened(path).network("vae", Taesd), half)
        theirs = author(32, pooled=True) if "taef2" in name else author(4)
        theirs.load_state_dict(load_file(path))
        torch.manual_seed(0)
        given = torch.rand(1, 3, 32, 48) if half == "encoder" else torch.randn(1, 32 if "taef2" in name else 4, 4, 6)
        with torch.no_grad():
            torch.testing.assert_close(network(given), theirs.float()(given))
