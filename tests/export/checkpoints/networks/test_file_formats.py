"""Files that are no whole safetensors file: each is told what it is and what to do."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.checkpoints.networks.file_formats import TO_SAFETENSORS

PLAIN = ExportOptions()


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("x.gguf", b"GGUF\x03\x00\x00\x00" + bytes(64), r"a GGUF file, .* Give the \.safetensors file"),
        (
            "x.safetensors",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "Git LFS pointer.*git lfs pull",
        ),
        ("x.safetensors", b"\n<!DOCTYPE html><html><body>Sign in</body>", "a web page, .* may need a login"),
        ("x.onnx", b"\x08\x07\x12\x07pytorch", "an ONNX graph; .* Give a directory as Optimum exports it"),
        ("model.safetensors.index.json", b'{"weight_map": {}}', "an index of shards; .* model_index.json"),
        ("x.safetensors", b'{"error": "not found"}', "JSON text"),
        ("x.7z", b"7z\xbc\xaf\x27\x1c" + bytes(32), "a packed archive; .* Unpack it"),
        ("x.safetensors", b"\x89PNG\r\n\x1a\n" + bytes(32), "a picture"),
        ("x.h5", b"\x89HDF\r\n\x1a\n" + bytes(32), "an HDF5 file"),
        ("x.safetensors", b"", "an empty file; .* Download it again"),
        (
            "x.safetensors",
            (82).to_bytes(8, "little")
            + b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, -Infinity]}}'.ljust(82),
            "is not a whole safetensors file: ",
        ),
        ("x.safetensors", b"\x12\x34\x56" * 9, "is not a whole safetensors file: "),
    ],
)
def test_a_file_of_another_format_is_named(tmp_path: Path, name: str, content: bytes, what: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=what) as refused:
        Checkpoint.open(tmp_path / name, PLAIN)
    assert "\n" not in str(refused.value)


def test_a_zip_is_an_archive_and_torchs_own_a_pickle(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.writestr("model.safetensors", b"x")
    with pytest.raises(CheckpointError, match=r"a zip archive; .* Unpack it"):
        Checkpoint.open(tmp_path / "model.zip", PLAIN)
    torch.save({"a": torch.ones(3)}, tmp_path / "model.ckpt")
    whole = (tmp_path / "model.ckpt").read_bytes()
    for name, content in (("whole", whole), ("cut", whole[:-30])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointError, match="a pickled checkpoint of torch"):
            Checkpoint.open(tmp_path / name, PLAIN)


@pytest.mark.parametrize("kept", [0.9, 0.001])
def test_a_download_that_was_cut_off_states_both_sizes(tmp_path: Path, kept: float) -> None:
    save_file({f"tensor.{number}": torch.ones(100) for number in range(50)}, tmp_path / "whole.safetensors")
    content = (tmp_path / "whole.safetensors").read_bytes()
    cut = content[: int(len(content) * kept)]
    (tmp_path / "cut.safetensors").write_bytes(cut)
    with pytest.raises(CheckpointError, match=rf"is cut off: it states \d+ bytes and has {len(cut)}"):
        Checkpoint.open(tmp_path / "cut.safetensors", PLAIN)


def test_the_conversion_of_a_pickle_that_is_offered_works(tmp_path: Path) -> None:
    shared = torch.arange(6.0)
    torch.save({"state_dict": {"a": shared, "b": shared[:3]}, "epoch": 3}, tmp_path / "IN")
    code = TO_SAFETENSORS.partition("of the file: ")[2]
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    found = load_file(tmp_path / "OUT.safetensors")
    assert torch.equal(found["a"], shared)
    assert torch.equal(found["b"], shared[:3])
