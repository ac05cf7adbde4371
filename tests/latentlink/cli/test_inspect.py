"""`latentlink inspect` of an engine's file: what opens it, and which manifest says so."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from latentlink.cli import group
from latentlink.errors import BundleError, UsageError
from latentlink.runtime import bundle_path

ENGINE = "engines/vae_decoder/ort-cpu"


def inspect(path: Path) -> Result:
    return CliRunner().invoke(group, ["inspect", str(path)])


@pytest.mark.parametrize(
    "manifest",
    [
        '{"name": "an app", "icons": []}',
        '{"format": "theirs", "files": ["models/model.onnx"]}',
        '{"by": "latentlink", "files": ["models/model.onnx"]}',
        "no JSON",
    ],
)
def test_a_manifest_of_another_program_above_an_engine_is_not_read(tmp_path: Path, manifest: str) -> None:
    shutil.copytree(bundle_path("demo") / ENGINE, tmp_path / "app" / "models")
    (tmp_path / "app" / "manifest.json").write_text(manifest)
    done = inspect(tmp_path / "app" / "models" / "model.onnx")
    assert done.exit_code == 0, done.exception
    assert done.output.startswith("input latent__demo")


def test_a_manifest_that_lists_the_engine_and_is_damaged_is_told(tmp_path: Path) -> None:
    copy = tmp_path / "bundle"
    shutil.copytree(bundle_path("demo"), copy)
    manifest = copy / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"spaces"', '"places"'))
    done = inspect(copy / ENGINE / "model.onnx")
    assert isinstance(done.exception, BundleError)
    assert "received no key 'spaces'" in str(done.exception)


@pytest.mark.parametrize("name", ["nothing.onnx", "nothing.plan", "nothing.xml"])
def test_an_engine_that_is_not_there_is_a_usage_error(tmp_path: Path, name: str) -> None:
    done = inspect(tmp_path / name)
    assert isinstance(done.exception, UsageError)
    assert "There is no file" in str(done.exception)
