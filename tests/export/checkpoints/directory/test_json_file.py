"""Given a file that is not the JSON of a checkpoint, when it is read, then one sentence says what it is."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.directory import json_file
from latentlink.export.checkpoints.directory.json_file import read_json
from latentlink.export.checkpoints.directory.tokenizer_files import kind_of_folder


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ('{"a": 1}{"a": 1}', "is not JSON"),
        ('{"a": NaN}', "is not JSON: it holds NaN"),
        ('{"a": "\\ud800"}', "is not JSON: .*surrogates not allowed"),
        ('{"\\udfff": 1}', "is not JSON: .*surrogates not allowed"),
        ('{"a": ' + "1" * 5000 + "}", "is not JSON: .*integer string"),
        ("[" * 100_000 + "]" * 100_000, "is not JSON: .*recursion"),
        (nested(100), "more than 32 levels deep"),
        ("[]", "holds no JSON object"),
        ("null", "holds no JSON object"),
    ],
)
def test_what_is_no_object_of_json_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match=said):
        read_json(tmp_path / "config.json")


def test_an_object_of_json_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"a": {"b": [1, -Infinity, "\\ud83d\\ude00"]}}')
    assert read_json(tmp_path / "config.json") == {"a": {"b": [1, float("-inf"), "\U0001f600"]}}
    (tmp_path / "config.json").write_text(nested(32))
    assert json.dumps(read_json(tmp_path / "config.json"))


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(b"\xff\xfe{\x00")
    with pytest.raises(CheckpointError, match="is not JSON"):
        read_json(tmp_path / "config.json")


def test_a_file_that_is_too_large_is_read_no_further(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_file, "MOST_BYTES", 1 << 20)
    with (tmp_path / "config.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(CheckpointError, match="is larger than 1 MB"):
        read_json(tmp_path / "config.json")


@pytest.mark.parametrize("device", ["pipe", "/dev/zero"])
def test_what_does_not_end_is_not_waited_for(tmp_path: Path, device: str) -> None:
    for name in ("config.json", "tokenizer.json"):
        if device == "pipe":
            os.mkfifo(tmp_path / name)
        else:
            (tmp_path / name).symlink_to(device)
    with pytest.raises(CheckpointError, match="is not a file"):
        read_json(tmp_path / "config.json")
    assert kind_of_folder(tmp_path) is None


def test_a_link_to_itself_is_damage(tmp_path: Path) -> None:
    (tmp_path / "config.json").symlink_to("config.json")
    with pytest.raises(CheckpointError, match="leads to itself"):
        read_json(tmp_path / "config.json")
