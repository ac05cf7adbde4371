"""Attacks on a bundle: each changes a good one, and opening it must end in a refusal that names the offender."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
import pytest

from latentlink.engine.bundle import Bundle
from latentlink.errors import BundleError, ExitStatus

if TYPE_CHECKING:
    from tests.engine.conftest import SmallBundle

MODEL = "engines/denoiser/ort-cpu/model.onnx"
WEIGHTS = "engines/denoiser/ort-cpu/model.onnx.data"
TOKENIZER = "tokenizers/text_encoder/tokenizer.json"


def refused(small: SmallBundle, named: str, *, check_files: bool = True) -> BundleError:
    """The refusal of the bundle; its message must contain `named`."""
    with pytest.raises(BundleError) as caught:
        Bundle.open(small.root, check_files=check_files)
    assert caught.value.status is ExitStatus.BUNDLE_DAMAGED
    assert named in caught.value.message
    assert caught.value.remedy
    return caught.value


def replace_by_link(path: Path) -> None:
    """Move a file or folder out of the bundle and leave a link to it."""
    moved = path.parents[len(path.parts) - path.parts.index("small") - 1] / f"moved-{path.name}"
    path.rename(moved)
    path.symlink_to(moved)


def test_a_file_with_one_changed_byte_is_refused(small: SmallBundle) -> None:
    data = bytearray((small.root / WEIGHTS).read_bytes())
    data[1000] ^= 1
    (small.root / WEIGHTS).write_bytes(data)
    refused(small, "has SHA-256")


def test_a_changed_byte_is_not_looked_for_where_the_caller_asked_not_to(small: SmallBundle) -> None:
    data = bytearray((small.root / WEIGHTS).read_bytes())
    data[1000] ^= 1
    (small.root / WEIGHTS).write_bytes(data)
    Bundle.open(small.root, check_files=False)


@pytest.mark.parametrize("check_files", [True, False])
def test_a_file_that_was_cut_off_is_refused(check_files: bool, small: SmallBundle) -> None:
    os.truncate(small.root / WEIGHTS, 1000)
    refused(small, "has 1000 bytes; expected 2097152", check_files=check_files)


@pytest.mark.parametrize("check_files", [True, False])
def test_a_file_that_is_missing_is_refused(check_files: bool, small: SmallBundle) -> None:
    (small.root / TOKENIZER).unlink()
    refused(small, f"{TOKENIZER}' is missing", check_files=check_files)


@pytest.mark.parametrize("check_files", [True, False])
@pytest.mark.parametrize(
    "extra", ["hook.py", ".hidden", "engines/denoiser/ort-cpu/custom_ops.so", "a/b/c", "MANIFEST.json"]
)
def test_a_file_that_is_not_listed_is_refused(extra: str, check_files: bool, small: SmallBundle) -> None:
    (small.root / extra).parent.mkdir(parents=True, exist_ok=True)
    (small.root / extra).write_text("boo")
    refused(small, "is not listed", check_files=check_files)


def test_an_empty_folder_that_is_not_listed_is_refused(small: SmallBundle) -> None:
    (small.root / "lost").mkdir()
    refused(small, "lost' is not listed")


@pytest.mark.parametrize("path", [MODEL, TOKENIZER, "engines/denoiser", "engines", "manifest.json"])
def test_a_link_in_the_place_of_a_file_or_folder_is_refused(path: str, small: SmallBundle) -> None:
    replace_by_link(small.root / path)
    error = refused(small, "symbolic link")
    assert "cp -rL" in error.remedy


def test_a_link_that_leads_back_into_the_bundle_is_refused_as_well(small: SmallBundle) -> None:
    (small.root / "engines/denoiser/ort-cpu/again").symlink_to("..")
    refused(small, "symbolic link")


@pytest.mark.parametrize("path", [TOKENIZER, "manifest.json"])
def test_a_fifo_in_the_place_of_a_file_is_refused_and_not_waited_for(path: str, small: SmallBundle) -> None:
    (small.root / path).unlink()
    os.mkfifo(small.root / path)
    refused(small, "FIFO")


def test_a_socket_in_the_place_of_a_file_is_refused(small: SmallBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(small.root)  # a socket's path may be 107 bytes long
    (small.root / TOKENIZER).unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(TOKENIZER)
        refused(small, "socket")


def test_a_folder_in_the_place_of_a_file_is_refused(small: SmallBundle) -> None:
    (small.root / TOKENIZER).unlink()
    (small.root / TOKENIZER).mkdir()
    refused(small, "is missing")


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "a/../../outside", "..\\outside", "C:\\outside"])
def test_a_listed_path_that_leads_out_of_the_bundle_is_refused(path: str, small: SmallBundle) -> None:
    (small.root.parent / "outside").write_bytes(b"secret")
    small.list(path, b"secret")
    refused(small, "manifest.json, files")


@pytest.mark.parametrize("path", ["../outside.onnx", "/etc/passwd.onnx", "engines/../../outside.onnx"])
def test_an_engine_that_lies_outside_of_the_bundle_is_refused(path: str, small: SmallBundle) -> None:
    small.edit(lambda record: record["components"]["denoiser"]["engines"][0].update(path=path))
    refused(small, "components.denoiser.engines[0].path")


def test_a_tokenizer_that_lies_outside_of_the_bundle_is_refused(small: SmallBundle) -> None:
    small.edit(lambda record: record["components"]["text_encoder"]["tokenizer"].update(path="../t.json"))
    refused(small, "components.text_encoder.tokenizer.path")


def test_another_tokenizer_is_refused_though_it_is_listed_with_its_own_hash(small: SmallBundle) -> None:
    small.put(TOKENIZER, b'{"version": "2.0"}')
    refused(small, "the tokenizer that the engine was exported with")


def test_two_files_that_differ_in_case_alone_are_refused(small: SmallBundle) -> None:
    small.put("tokenizers/text_encoder/Tokenizer.json", b"{}")
    refused(small, "differ by more than case")


def test_a_manifest_of_5_megabytes_is_refused_before_it_is_read(small: SmallBundle) -> None:
    os.truncate(small.root / "manifest.json", 5 << 20)
    refused(small, "expected at most 4194304")


def test_a_manifest_of_a_terabyte_is_refused_before_it_is_read(small: SmallBundle) -> None:
    os.truncate(small.root / "manifest.json", 1 << 40)
    refused(small, "expected at most 4194304")


def test_a_manifest_that_was_cut_off_is_refused(small: SmallBundle) -> None:
    os.truncate(small.root / "manifest.json", 500)
    refused(small, "no UTF-8 JSON")


def test_a_manifest_nested_without_end_is_refused(small: SmallBundle) -> None:
    (small.root / "manifest.json").write_text("[" * 1_000_000)
    refused(small, "nested")


def test_a_port_renamed_to_another_latent_space_is_refused_where_it_is_no_symbol(small: SmallBundle) -> None:
    small.edit(lambda record: record["components"]["denoiser"]["outputs"][0].update(tensor="latent__sdxl"))
    refused(small, "components.denoiser.outputs[0].tensor")


def test_a_file_of_a_false_size_is_refused_before_it_is_hashed(small: SmallBundle) -> None:
    small.edit(lambda record: record["files"][WEIGHTS].update(size=1 << 40))
    refused(small, f"expected {1 << 40}", check_files=False)


ESCAPES = (
    "../../../secret", "/etc/passwd", "../ort-cpu/model.onnx.data", "./model.onnx.data", "sub/model.onnx.data",
    "..", "", "nothing.data", "model.onnx.data\0", "MODEL.ONNX.DATA", "*/_ORT_MEM_ADDR_/*", "é.data",
    "../../../tokenizers/text_encoder/tokenizer.json", "C:\\secret", "file:///etc/passwd", "a" * 10_000,
)  # fmt: skip


@pytest.mark.parametrize("check_files", [True, False])
@pytest.mark.parametrize("location", ESCAPES, ids=lambda location: location[:20])
def test_an_onnx_file_that_keeps_its_weights_elsewhere_is_refused(
    location: str, check_files: bool, small: SmallBundle
) -> None:
    small.put(MODEL, small.model_bytes(location))
    error = refused(small, "keeps weights or an engine in", check_files=check_files)
    assert len(error.message) < 1000


def test_an_onnx_file_in_the_bundles_own_folder_finds_its_weights_there(small: SmallBundle) -> None:
    small.put("extra.onnx", small.model_bytes("extra.data"))
    small.put("extra.data", bytes(8))
    Bundle.open(small.root)


def compiled(name: str) -> bytes:
    """An ONNX model of one node: an engine that is kept in a file of that name."""
    node = onnx.helper.make_node("EPContext", ["x"], ["y"], domain="com.microsoft", embed_mode=0, ep_cache_context=name)
    return bytes(onnx.ModelProto(ir_version=10, graph=onnx.GraphProto(node=[node])).SerializeToString())


@pytest.mark.parametrize("name", ESCAPES, ids=lambda name: name[:20])
def test_an_onnx_file_whose_compiled_engine_is_elsewhere_is_refused(name: str, small: SmallBundle) -> None:
    small.put(MODEL, compiled(name))
    refused(small, "keeps weights or an engine in", check_files=False)


def test_an_onnx_file_finds_its_compiled_engine_beside_it(small: SmallBundle) -> None:
    small.put(MODEL, compiled("model.onnx.data"))
    Bundle.open(small.root)


def test_an_onnx_file_is_searched_also_where_its_suffix_is_in_capitals(small: SmallBundle) -> None:
    small.put("extra.ONNX", small.model_bytes("../secret"))
    refused(small, "keeps weights or an engine in")


@pytest.mark.parametrize("data", [b"", b"hello", b"\x08\xff", b"\x3a\xff\xff\xff\xff\x0f", b"\0" * 100])
def test_an_onnx_file_that_is_no_protobuf_is_refused(data: bytes, small: SmallBundle) -> None:
    small.put(MODEL, data)
    refused(small, "is not an ONNX file")


@pytest.mark.python_reader("a smaller limit")
def test_more_files_than_any_bundle_has_are_refused_without_listing_them_all(
    small: SmallBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("latentlink.engine.bundle.tree.MAX_ENTRIES", 20)
    for number in range(20):
        (small.root / f"f{number}").touch()
    refused(small, "holds over 20 files")


def test_folders_without_end_are_refused(small: SmallBundle) -> None:
    (small.root / ("d/" * 100)).mkdir(parents=True)
    refused(small, "64 levels")


@pytest.mark.python_reader("a step of it changes a file")
@pytest.mark.parametrize("grow", [lambda path: path.write_bytes(bytes(3 << 20)), lambda path: os.truncate(path, 7)])
def test_a_file_that_changes_size_while_it_is_hashed_is_refused(
    grow: Callable[[Path], object], small: SmallBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    # after sizes were compared, before hashing
    monkeypatch.setattr("latentlink.engine.bundle.bundle._check_locations", lambda root, files: grow(root / WEIGHTS))
    refused(small, "bytes; expected 2097152")
