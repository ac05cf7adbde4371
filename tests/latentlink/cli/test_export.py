"""What `latentlink export` makes of its options, and what it prints. Nothing is exported here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from latentlink.cli.commands.export import command
from latentlink.engine.bundle import Bundle, Manifest
from latentlink.export.checkpoints import ExportOptions
from latentlink.runtime import bundle_path


class Stop(Exception):
    """Ends the command where the export would begin."""


@pytest.mark.parametrize("name", ["demo", "demo-b"])
def test_the_space_of_a_bundle_is_given_to_the_export(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[ExportOptions] = []

    def export_checkpoint(*_: Any, options: ExportOptions, **__: Any) -> None:
        found.append(options)
        raise Stop

    monkeypatch.setattr("latentlink.export.exporter.export_checkpoint", export_checkpoint)
    for bundle in (name, str(bundle_path(name))):
        done = CliRunner().invoke(command, ["vae", "out", "--space-of", bundle])
        assert isinstance(done.exception, Stop)
    (space,) = Bundle.open(bundle_path(name)).manifest.spaces
    assert [options.space for options in found] == [space, space]
    assert not Path("out").exists()


def test_what_was_corrected_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    def export_checkpoint(*_: Any, on_note: Callable[[str], None], **__: Any) -> Manifest:
        on_note("steps_offset 0 is outdated")
        return Bundle.open(bundle_path("demo")).manifest

    monkeypatch.setattr("latentlink.export.exporter.export_checkpoint", export_checkpoint)
    assert "steps_offset 0 is outdated." in CliRunner().invoke(command, ["model", "out"]).stdout
    done = CliRunner().invoke(command, ["model", "out", "--json"])
    assert json.loads(done.stdout)["notes"] == ["steps_offset 0 is outdated"]


def test_parts_from_elsewhere_are_given_to_the_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[ExportOptions] = []

    def export_checkpoint(*_: Any, options: ExportOptions, **__: Any) -> None:
        found.append(options)
        raise Stop

    monkeypatch.setattr("latentlink.export.exporter.export_checkpoint", export_checkpoint)
    arguments = ["flux1-dev.safetensors", "out", "--vae", "ae.safetensors", "--text-encoder-2", "org/name"]
    done = CliRunner().invoke(command, [*arguments, "--tokenizer-2", str(tmp_path)])
    assert isinstance(done.exception, Stop)
    assert found[0].parts == {
        "vae": Path("ae.safetensors"),
        "text_encoder_2": Path("org/name"),
        "tokenizer_2": tmp_path,
    }
