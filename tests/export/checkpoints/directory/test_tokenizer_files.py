"""A tokenizer's files: those that are used, and no others; two that contradict each other are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.directory.tokenizer_files import copy_tokenizer
from latentlink.export.parts import clip_tokenizer, t5_tokenizer
from tests.export.checkpoints.small_tokenizer import write_small_tokenizer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A CLIP tokenizer in vocab.json and merges.txt."""
    write_small_tokenizer(tmp_path / "clip", 600)
    return tmp_path / "clip"


def write_whole(folder: Path, **changes: Any) -> None:
    """Write tokenizer.json beside vocab.json and merges.txt, with entries of its model changed."""
    whole = json.loads(clip_tokenizer(folder, 77).text)
    whole["model"] |= changes
    (folder / "tokenizer.json").write_text(json.dumps(whole))


def configure(folder: Path, **entries: Any) -> None:
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def test_only_a_tokenizers_own_files_are_handed_on(folder: Path, tmp_path: Path) -> None:
    configure(folder, auto_map={"AutoTokenizer": "code.Mine"}, trust_remote_code=True, vocab_file="/elsewhere")
    for name in ("code.py", "tekken.json", "model.safetensors", "tokenizer.model"):
        (folder / name).write_text("")
    (tmp_path / "own").mkdir()
    copied = copy_tokenizer(folder, tmp_path / "own", "CLIP")
    assert {path.name for path in copied.iterdir()} <= {
        "vocab.json",
        "merges.txt",
        "tokenizer_config.json",
        "special_tokens_map.json",
    }
    assert (
        not {"auto_map", "trust_remote_code", "vocab_file"}
        & json.loads((copied / "tokenizer_config.json").read_text()).keys()
    )


def test_both_forms_of_one_vocabulary_give_the_same_tokenizer(folder: Path) -> None:
    alone = clip_tokenizer(folder, 77)
    write_whole(folder)
    assert clip_tokenizer(folder, 77) == alone


@pytest.mark.parametrize("other", ["vocab", "merges"])
def test_two_forms_that_differ_are_refused(folder: Path, other: str) -> None:
    model = json.loads(clip_tokenizer(folder, 77).text)["model"]
    vocabulary, merges = model["vocab"], model["merges"]
    first, second, *_ = vocabulary
    swapped = vocabulary | {first: vocabulary[second], second: vocabulary[first]}
    write_whole(folder, **({"vocab": swapped} if other == "vocab" else {"merges": merges[1:]}))
    said = "vocab.json" if other == "vocab" else "merges.txt"
    with pytest.raises(CheckpointError, match=rf"tokenizer\.json and {said} in .* hold different vocabularies"):
        clip_tokenizer(folder, 77)


@pytest.mark.parametrize("missing", ["vocab.json", "merges.txt"])
def test_a_folder_that_lacks_a_file_gives_no_tokenizer_of_three_tokens(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    with pytest.raises(CheckpointError, match=r"holds no CLIP tokenizer; expected tokenizer\.json or vocab\.json and"):
        clip_tokenizer(folder, 77)
    with pytest.raises(CheckpointError, match=r"holds no T5 tokenizer"):
        t5_tokenizer(folder, 77)


@pytest.mark.parametrize(
    "entry",
    [
        {"vocab": {"<|startoftext|>": 0}},
        {"merges": ["a b"]},
        {"fast_tokenizer_files": ["tokenizer.4.0.json"]},
        {"gguf_file": "other.gguf"},
        {"init_inputs": ["other.json"]},
    ],
)
def test_a_config_that_replaces_the_vocabulary_is_refused(folder: Path, entry: dict[str, Any]) -> None:
    configure(folder, **entry)
    with pytest.raises(CheckpointError, match=f"has {next(iter(entry))}, which replaces the vocabulary"):
        clip_tokenizer(folder, 77)


def test_added_tokens_are_kept_when_the_padding_is_replaced(folder: Path, tmp_path: Path) -> None:
    from latentlink.export.checkpoints.directory.tokenizer_folders import with_pad_token

    (folder / "added_tokens.json").write_text(json.dumps({"<mine>": 600}))
    (tmp_path / "own").mkdir()
    added = json.loads(clip_tokenizer(with_pad_token(folder, "!", tmp_path / "own"), 77).text)["added_tokens"]
    assert {"id": 600, "content": "<mine>"}.items() <= next(token for token in added if token["id"] == 600).items()


@pytest.mark.parametrize("number", [-1, 2**22, 10**9, 2**63, 1.5, "1"])
def test_an_id_that_no_vocabulary_has_is_refused_before_a_library_reads_it(tmp_path: Path, number: object) -> None:
    folder = tmp_path / "tokenizer"
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps({"a": 0, "b": number}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (tmp_path / "own").mkdir()
    with pytest.raises(CheckpointError, match="has the token id"):
        copy_tokenizer(folder, tmp_path / "own", "CLIP")
