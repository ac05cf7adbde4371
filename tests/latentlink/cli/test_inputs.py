"""Inputs that are no files are refused at once: nothing waits for a writer, or reads without end."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from latentlink.checks import check_input
from latentlink.cli import group
from latentlink.errors import LatentLinkError, UsageError
from latentlink.runtime import Latents


@pytest.fixture(params=["pipe", "link to a pipe", "endless device", "link to a device", "socket", "folder", "nothing"])
def no_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "x"
    match request.param:
        case "pipe":
            os.mkfifo(path)
        case "link to a pipe":
            os.mkfifo(tmp_path / "pipe")
            path.symlink_to(tmp_path / "pipe")
        case "endless device":
            return Path("/dev/zero")
        case "link to a device":
            path.symlink_to("/dev/zero")
        case "socket":
            here = Path.cwd()
            os.chdir(tmp_path)  # the name of a socket is short
            socket.socket(socket.AF_UNIX).bind("x")
            os.chdir(here)
        case "folder":
            path.mkdir()
    return path


def test_it_is_refused_by_what_it_is(no_file: Path) -> None:
    with pytest.raises(UsageError, match=r"(is a folder|is a device, pipe or socket|There is no file).*; expected a x"):
        check_input(no_file, "a x")


def test_latents_are_not_read_from_it(no_file: Path) -> None:
    with pytest.raises(UsageError, match="expected a latents file"):
        Latents.load(no_file)


@pytest.mark.parametrize(
    "words",
    [
        ("generate", "demo", "x", "-o", "OUT", "--init-image"),
        ("generate", "demo", "x", "-o", "OUT", "--init-latents"),
        ("generate", "demo", "x", "-o", "OUT", "--init-image", "PICTURE", "--mask-image"),
        ("chain", "x", "demo", "-o", "OUT", "--init-image"),
        ("transfer", "--from", "demo", "--to", "demo-b", "-o", "OUT.safetensors"),
        ("calibrate", "demo", "--prompts"),
        ("inspect",),
        ("verify",),
        ("build", "--target", "ort-cpu", "OUT"),
        ("export", "--json", "OUT"),
    ],
    ids=lambda words: " ".join(words[:1] + words[-1:]),
)
def test_no_command_waits_for_it(no_file: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    from PIL import Image

    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    known = {"OUT": "out.png", "OUT.safetensors": "out.safetensors", "PICTURE": "a.png"}
    arguments = [str(tmp_path / known[word]) if word in known else word for word in words]
    where = 1 if words[0] in ("build", "export") else len(arguments)
    done = CliRunner().invoke(group, [*arguments[:where], str(no_file), *arguments[where:]])
    assert isinstance(done.exception, LatentLinkError), done.output
    assert not (tmp_path / "out.png").exists()
