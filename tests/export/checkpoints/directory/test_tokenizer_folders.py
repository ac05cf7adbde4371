"""Tokenizers of single files: from the folder that the user names, else from the Hub's local cache."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.checkpoints.directory.tokenizer_files import kind_of_folder
from latentlink.export.checkpoints.directory.tokenizer_folders import pad_token
from latentlink.export.parts import clip_tokenizer
from tests.export.checkpoints.small_tokenizer import write_small_tokenizer

if TYPE_CHECKING:
    from tests.export.conftest import Published

Made = Callable[[str], "Published"]


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "hub"
    root.mkdir()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(root))
    return root


def write_t5(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"type": "Unigram", "vocab": []}}))


def test_a_folder_of_tokenizer_files_serves_every_part_of_its_kind(published: Made, tmp_path: Path) -> None:
    write_small_tokenizer(tmp_path / "clip", 600)
    checkpoint = Checkpoint.open(published("flux-dev").file, ExportOptions(tokenizer=tmp_path / "clip"))
    assert checkpoint.folder("tokenizer") == tmp_path / "clip"
    with pytest.raises(CheckpointError, match="no T5 tokenizer for tokenizer_2"):
        checkpoint.folder("tokenizer_2")


def test_of_a_checkpoints_directory_the_parts_own_folder_is_taken_first(published: Made, tmp_path: Path) -> None:
    for part in ("tokenizer", "tokenizer_2"):
        write_small_tokenizer(tmp_path / part, 600)
    write_t5(tmp_path / "tokenizer_3")
    sdxl = Checkpoint.open(published("sdxl").file, ExportOptions(tokenizer=tmp_path))
    assert sdxl.folder("tokenizer") == tmp_path / "tokenizer"
    flux = Checkpoint.open(published("flux-dev").file, ExportOptions(tokenizer=tmp_path))
    # the directory's tokenizer_2 is of the other kind
    assert flux.folder("tokenizer_2") == tmp_path / "tokenizer_3"


def test_one_vocabulary_serves_encoders_that_were_trained_with_different_padding(
    published: Made, tmp_path: Path
) -> None:
    write_small_tokenizer(tmp_path / "clip", 600)
    assert pad_token(tmp_path / "clip") == "<|endoftext|>"
    checkpoint = Checkpoint.open(published("sdxl").file, ExportOptions(tokenizer=tmp_path / "clip"))
    first = clip_tokenizer(checkpoint.folder("tokenizer"), 77)
    second = clip_tokenizer(checkpoint.folder("tokenizer_2"), 77)
    assert (first.pad_id, second.pad_id) == (599, 0)  # the end token and "!"
    assert (first.start_id, first.end_id) == (second.start_id, second.end_id) == (598, 599)
    assert pad_token(tmp_path / "clip") == "<|endoftext|>"


def test_without_a_folder_the_cached_published_tokenizer_is_taken(published: Made, empty_cache: Path) -> None:
    commit = "f" * 40
    folder = empty_cache / "models--openai--clip-vit-large-patch14"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(commit)
    write_small_tokenizer(folder / "snapshots" / commit, 600)
    checkpoint = Checkpoint.open(published("sd1").file, ExportOptions())
    assert checkpoint.folder("tokenizer") == folder / "snapshots" / commit


def test_without_either_the_remedy_names_both(published: Made, empty_cache: Path) -> None:
    checkpoint = Checkpoint.open(published("sd1").file, ExportOptions())
    with pytest.raises(CheckpointError, match=r"--tokenizer DIR, or fetch one: hf download openai/clip-vit-large"):
        checkpoint.folder("tokenizer")


def test_a_part_that_the_family_does_not_have_is_refused(published: Made, tmp_path: Path) -> None:
    write_small_tokenizer(tmp_path / "clip", 600)
    checkpoint = Checkpoint.open(published("sd1").file, ExportOptions(tokenizer=tmp_path / "clip"))
    with pytest.raises(CheckpointError, match="holds no tokenizer_2"):
        checkpoint.folder("tokenizer_2")


def test_a_directorys_own_tokenizer_gives_way_to_the_folder_that_the_user_names(tiny: Path, tmp_path: Path) -> None:
    write_small_tokenizer(tmp_path / "clip", 600)
    assert Checkpoint.open(tiny, ExportOptions()).folder("tokenizer") == tiny.resolve() / "tokenizer"
    assert Checkpoint.open(tiny, ExportOptions(tokenizer=tmp_path / "clip")).folder("tokenizer") == tmp_path / "clip"


@pytest.mark.parametrize("text", ["", "[]", '{"model": {"type": "WordPiece"}}', "[" * 100_000])
def test_a_folder_without_such_a_tokenizer_is_of_no_kind(tmp_path: Path, text: str) -> None:
    (tmp_path / "tokenizer.json").write_text(text)
    assert kind_of_folder(tmp_path) is None
