"""A single file the whole way to typed components, as the command line exports it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from latentlink.cli.commands.export import command
from latentlink.engine.bundle import Bundle
from latentlink.errors import CheckpointError, ExitStatus
from latentlink.spaces import KNOWN_SPACES
from tests.export.checkpoints.small_tokenizer import write_small_tokenizer

if TYPE_CHECKING:
    from tests.export.conftest import Published

Made = Callable[[str], "Published"]


def export(*arguments: str | Path) -> Result:
    """What `latentlink export` does, in this process, which has torch already."""
    return CliRunner().invoke(command, [*map(str, arguments)])


@pytest.mark.slow
def test_a_single_file_is_exported_with_the_users_answers(published: Made, tmp_path: Path) -> None:
    write_small_tokenizer(tmp_path / "clip", 600)
    arguments = [
        *(published("sd1").file, tmp_path / "out", "--space", "sd", "--prediction", "v_prediction"),
        *("--tokenizer", tmp_path / "clip", "--without", "vae_decoder", "--without", "vae_encoder"),
    ]
    line = [sys.executable, "-m", "latentlink", "export", *map(str, arguments)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    manifest = Bundle.open(tmp_path / "out").manifest
    assert [space.name for space in manifest.spaces] == ["sd"]
    assert manifest.name == "model"
    assert manifest.provenance["checkpoint"] == "model.safetensors"
    assert manifest.sampling.schedule["prediction_type"] == "v_prediction"
    assert manifest.sampling.sampler == "ddim"
    for component in manifest.components.values():
        assert component.engines[0].parity is not None


@pytest.mark.slow
def test_a_vae_alone_is_exported_in_the_space_that_the_user_names(
    bare_vae: Callable[[int], Path], tmp_path: Path
) -> None:
    # one half does: test_single_file_networks.py runs both, read from a file
    done = export(bare_vae(16), tmp_path / "out", "--space", "flux1", "--without", "vae_encoder")
    assert done.exit_code == 0, done.output
    manifest = Bundle.open(tmp_path / "out").manifest
    assert {*manifest.components} == {"vae_decoder"}
    assert [*manifest.spaces] == [KNOWN_SPACES["flux1"]]


def test_without_an_answer_about_the_space_nothing_is_written(published: Made, tmp_path: Path) -> None:
    write_small_tokenizer(tmp_path / "clip", 600)
    done = export(published("sd1").file, tmp_path / "out", "--tokenizer", tmp_path / "clip")
    assert isinstance(done.exception, CheckpointError)
    assert done.exception.status == ExitStatus.USAGE
    assert "--space sd|sdxl" in " ".join(str(done.exception).split())
    assert [path.name for path in tmp_path.iterdir()] == ["clip"]
