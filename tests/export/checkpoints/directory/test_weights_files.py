"""Weights files: one whole file or one index of shards, and every file holds just what the index gives to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.directory.weights_files import VARIANTS, WeightsFiles

STEMS = ("diffusion_pytorch_model", "model")


def write(path: Path, *names: str) -> None:
    save_file({name: torch.full((2,), float(len(name))) for name in names}, path)


def write_index(path: Path, weight_map: Mapping[str, object]) -> None:
    path.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))


@pytest.mark.parametrize("stem", STEMS)
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("index", ["{}.safetensors.index{}.json", "{}.safetensors{}.index.json"])
def test_shards_of_every_precision_are_read_by_either_name_of_their_index(
    tmp_path: Path, stem: str, variant: str, index: str
) -> None:
    write(tmp_path / "one.safetensors", "a", "bb")
    write(tmp_path / "two.safetensors", "ccc")
    places = {"a": "one.safetensors", "bb": "one.safetensors", "ccc": "two.safetensors"}
    write_index(tmp_path / index.format(stem, variant), places)
    found = WeightsFiles.find(tmp_path, stem).read(without=frozenset({"bb"}))
    assert {name: tensor.tolist() for name, tensor in found.items()} == {"a": [1.0, 1.0], "ccc": [3.0, 3.0]}


@pytest.mark.parametrize("stem", STEMS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_whole_file_with_an_index_beside_it_is_refused_whatever_the_index_names(
    tmp_path: Path, stem: str, variant: str
) -> None:
    write(tmp_path / f"{stem}{variant}.safetensors", "a")
    write_index(tmp_path / f"{stem}.safetensors.index{variant}.json", {"a": "w.bin"})
    with pytest.raises(CheckpointError, match=r"holds weights several times, .*expected one whole file"):
        WeightsFiles.find(tmp_path, stem)


def test_another_librarys_files_are_not_taken(tmp_path: Path) -> None:
    write(tmp_path / "model.safetensors", "a")
    with pytest.raises(CheckpointError, match=r"expected diffusion_pytorch_model\.safetensors"):
        WeightsFiles.find(tmp_path, "diffusion_pytorch_model")


def test_a_broken_precision_does_not_give_way_to_another_one(tmp_path: Path) -> None:
    write(tmp_path / "model.fp16.safetensors", "a")
    write_index(tmp_path / "model.safetensors.index.json", {"a": "gone.safetensors"})
    with pytest.raises(CheckpointError, match=r"names the shard 'gone\.safetensors'"):
        WeightsFiles.find(tmp_path, "model")


@pytest.mark.parametrize(
    ("held", "said"),
    [
        (("a",), "lacks tensors that .* says it holds, such as bb"),
        (("a", "bb", "ccc"), "holds tensors that .* does not give to it, such as ccc"),
    ],
)
def test_a_shard_holds_just_what_its_index_gives_to_it(tmp_path: Path, held: tuple[str, ...], said: str) -> None:
    write(tmp_path / "one.safetensors", *held)
    write(tmp_path / "two.safetensors", "ccc")
    places = {"a": "one.safetensors", "bb": "one.safetensors", "ccc": "two.safetensors"}
    write_index(tmp_path / "model.safetensors.index.json", places)
    with pytest.raises(CheckpointError, match=said):
        WeightsFiles.find(tmp_path, "model")


@pytest.mark.parametrize("text", ["{}", '{"weight_map": {}}', '{"weight_map": ["one.safetensors"]}'])
def test_an_index_without_a_map_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(CheckpointError, match="has no weight_map"):
        WeightsFiles.find(tmp_path, "model")


def test_links_are_followed_as_in_the_hubs_cache_and_what_they_lead_to_must_be_safetensors(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "folder").mkdir()
    write(tmp_path / "blobs" / "0123", "a")
    (tmp_path / "blobs" / "4567").write_bytes(b"\x80\x04N.")
    link = tmp_path / "folder" / "model.safetensors"
    link.symlink_to("../blobs/0123")
    assert [*WeightsFiles.find(link.parent, "model").read()] == ["a"]
    link.unlink()
    link.symlink_to("../blobs/4567")
    with pytest.raises(CheckpointError, match="whole safetensors file"):
        WeightsFiles.find(link.parent, "model")
    link.unlink()
    link.symlink_to("../blobs/gone")
    with pytest.raises(CheckpointError, match="holds no supported weights"):
        WeightsFiles.find(link.parent, "model")
