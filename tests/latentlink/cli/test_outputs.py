"""Where commands write: files, standard output and pipes, and never into a bundle."""

from __future__ import annotations

import io
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from latentlink.cli import group
from latentlink.errors import LatentLinkError
from latentlink.runtime import bundle_path

GENERATE = ("generate", "demo", "a red circle", "--steps", "2", "--seed", "1")


def run(*words: object, command: tuple[str, ...] = GENERATE) -> subprocess.CompletedProcess[bytes]:
    program = [sys.executable, "-m", "latentlink", *command, *map(str, words)]
    return subprocess.run(program, capture_output=True, check=False)


def refused(*words: object, command: tuple[str, ...] = GENERATE) -> str:
    done = CliRunner().invoke(group, [*command, *map(str, words)])
    assert isinstance(done.exception, LatentLinkError), done.output
    assert done.exception.status == 2
    return str(done.exception)


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_a_picture_on_standard_output_is_alone_there(name: str) -> None:
    done = run("-o", name)
    assert done.returncode == 0, done.stderr
    assert Image.open(io.BytesIO(done.stdout)).format == "PNG"
    assert b"seed 1" in done.stderr


def test_json_makes_room_for_latents_on_standard_output() -> None:
    done = run("--output-latents", "-", "--json")
    assert done.returncode == 0, done.stderr
    assert done.stdout[8:9] == b"{" and b"latentlink" in done.stdout
    assert b'"seed": 1' in done.stderr


def test_what_is_appended_to_keeps_what_it_has(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"before")
    with file.open("ab") as out:
        subprocess.run([sys.executable, "-m", "latentlink", *GENERATE, "-o", "-"], stdout=out, check=True)
    assert file.read_bytes().startswith(b"before\x89PNG")


def test_a_pipe_with_a_name_gets_the_picture_in_its_format(tmp_path: Path) -> None:
    pipe, copy = tmp_path / "pipe.webp", tmp_path / "copy"
    os.mkfifo(pipe)
    held = os.open(pipe, os.O_RDWR)  # so that the pipe has a reader before the command looks
    with copy.open("wb") as out, subprocess.Popen(["cat", str(pipe)], stdout=out) as reader:
        done = CliRunner().invoke(group, [*GENERATE, "-o", str(pipe)])
        os.close(held)
    assert (done.exit_code, reader.returncode) == (0, 0), done.output
    assert Image.open(copy).format == "WEBP"
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--num-images", "2"), "A run of several pictures writes several files"),
        (("--preview-every", "1"), "--preview-every writes several files"),
    ],
)
def test_several_files_do_not_go_into_one_pipe(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    assert "Nobody reads the pipe" in refused("-o", pipe, *words)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert says in refused("-o", pipe, *words)
    os.close(reader)


def test_the_stages_of_a_chain_do_not_go_into_one_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert "--keep writes several files" in refused("-o", pipe, "--keep", command=("chain", "a red circle", "demo"))
    os.close(reader)


@pytest.mark.parametrize("name", ["a.png", "a", "a.npz"])
def test_latents_are_not_written_under_the_name_of_something_else(tmp_path: Path, name: str) -> None:
    assert "ends in .safetensors" in refused("--output-latents", tmp_path / name)
    transfer = ("transfer", "x.safetensors", "--from", "demo", "--to", "demo")
    assert "ends in .safetensors" in refused("-o", tmp_path / name, command=transfer)
    assert [*tmp_path.iterdir()] == []


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle_path("demo-tiny"), tmp_path / "own"))


@pytest.mark.parametrize(
    "command",
    [
        (*GENERATE, "-o", "OUT.png"),
        (*GENERATE, "--output-latents", "OUT.safetensors"),
        ("chain", "x", "demo", "-o", "OUT.png"),
        ("compat", "demo", "-o", "OUT.png"),
        ("grid", "demo", "x", "-o", "OUT.png"),
        ("grid", "demo", "x", "-o", "PROMPTS.png", "--cells", "OUT"),
        ("bench", "demo", "--json", "OUT.json"),
        ("export", "nowhere", "OUT"),
        ("build", "EXPORTED", "OUT"),
        ("calibrate", "EXPORTED", "OUT", "--prompts", "PROMPTS", "--precision", "int8"),
    ],
    ids=lambda command: " ".join((command[0], *command[-2:])),
)
@pytest.mark.parametrize("through", ["the folder", "a link", "dots"])
def test_nothing_is_written_into_a_bundle(
    own: Path, tiny_export: Path, tmp_path: Path, command: tuple[str, ...], through: str
) -> None:
    (tmp_path / "prompts").write_text("a red circle")
    (tmp_path / "link").symlink_to(own / "engines")
    folder = {"the folder": own, "a link": tmp_path / "link", "dots": tmp_path / "own" / ".." / "own"}[through]
    words = [
        word.replace("OUT", f"{folder}/x")
        .replace("EXPORTED", str(tiny_export))
        .replace("PROMPTS", str(tmp_path / "prompts"))
        for word in command
    ]
    if command[0] == "export":
        words[1] = str(Path(__file__).parents[3] / "demo/checkpoints/demo-tiny")
    before = sorted(own.rglob("*"))
    assert "is inside the bundle" in refused(command=tuple(words))
    assert sorted(own.rglob("*")) == before


def test_an_export_is_not_built_into_itself(tiny_export: Path, tmp_path: Path) -> None:
    export = Path(shutil.copytree(tiny_export, tmp_path / "export"))
    assert "is inside the export" in refused(export, export / "sub" / "deep", command=("build",))
    assert not (export / "sub").exists()


def test_two_outputs_do_not_share_standard_output() -> None:
    done = run("-o", "-", "--output-latents", "-")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"are both standard output" in done.stderr


def test_a_name_of_the_greatest_length_is_written(tmp_path: Path) -> None:
    out = tmp_path / f"{'x' * 251}.png"
    done = CliRunner().invoke(group, [*GENERATE, "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert [*tmp_path.iterdir()] == [out]


def test_a_picture_too_wide_for_its_format_is_refused_before_the_work(tmp_path: Path) -> None:
    assert "does not fit into a WebP file" in refused("-o", tmp_path / "x.webp", "--width", "16384", "--height", "64")


def test_a_reader_that_goes_away_ends_a_command_as_its_signal_does() -> None:
    process = subprocess.Popen([sys.executable, "-m", "latentlink", "inspect", "demo"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait() == 128 + signal.SIGPIPE
