"""`latentlink grid`: a sheet of settings on the command line."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

import latentlink
from latentlink.cli import group
from latentlink.errors import LatentLinkError

CALL = ("grid", "demo", "a red circle on a blue background", "--steps", "3")


def run(*words: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "latentlink", *map(str, words)], capture_output=True, check=False)


def told(out: Path, *words: object) -> dict[str, Any]:
    """What the command says as JSON."""
    done = CliRunner().invoke(group, [*CALL, "-o", str(out), "--json", *map(str, words)])
    assert done.exit_code == 0, done.output
    record: dict[str, Any] = json.loads(done.output)
    return record


@pytest.mark.parametrize(
    ("words", "axes"),
    [
        ("--seed 1 --seed 2 --sampler euler --sampler ddim", ["seed", "sampler"]),
        ("--sampler euler --seed 1 --sampler ddim --seed 2", ["sampler", "seed"]),
        ("--guidance 1 --guidance 2 --seed 1 --also demo-b", ["guidance", "bundle"]),
        ("--also demo-b --seed 1 --seed 2", ["bundle", "seed"]),
        ("--seed 1 --sampler euler", []),
    ],
)
def test_the_axes_are_the_repeated_options_in_their_order(tmp_path: Path, words: str, axes: list[str]) -> None:
    assert [*told(tmp_path / "x.png", *words.split())["axes"]] == axes


def test_several_prompts_are_the_first_axis(tmp_path: Path) -> None:
    record = told(tmp_path / "x.png", "--seed", 1, "--seed", 2, "a green star")
    assert [*record["axes"]] == ["prompt", "seed"]
    assert [cell["settings"]["seed"] for cell in record["cells"]] == [1, 2, 1, 2]


def test_all_pictures_have_one_random_seed_which_is_told(tmp_path: Path) -> None:
    record = told(tmp_path / "x.png", "--guidance", 1, "--guidance", 4)
    first, second = (cell["request"]["options"]["seed"] for cell in record["cells"])
    assert first == second
    other = told(tmp_path / "x.png", "--seed", -1)
    assert other["cells"][0]["request"]["options"]["seed"] not in (first, -1)


def test_single_pictures_are_those_of_generate(tmp_path: Path) -> None:
    folder = tmp_path / "cells"
    record = told(
        tmp_path / "x.png", "--sampler", "euler", "--sampler", "DPM++ 2M Karras", "--seed", 7, "--cells", folder
    )

    files = [Path(cell["file"]) for cell in record["cells"]]
    assert [file.name for file in files] == ["01-euler.png", "02-dpm-2m-karras.png"]
    with latentlink.load("demo") as demo:
        for file, sampler in zip(files, ("euler", "DPM++ 2M Karras"), strict=True):
            alone = demo.generate(CALL[2], seed=7, steps=3, sampler=sampler).images[0]
            assert Image.open(file).tobytes() == alone.tobytes()
            assert demo.generate(**latentlink.picture_options(file)).images[0].tobytes() == alone.tobytes()
    assert sorted(folder.iterdir()) == files


def test_a_sheet_on_standard_output_is_alone_there() -> None:
    done = run(*CALL, "-o", "-", "--seed", 1, "--seed", 2)
    assert done.returncode == 0, done.stderr
    assert Image.open(io.BytesIO(done.stdout)).format == "PNG"
    assert b"2 pictures" in done.stderr


def test_a_refused_picture_is_told_and_gives_status_6_with_the_others_drawn(tmp_path: Path) -> None:
    settings = ("--steps", 20, "--seed", 1, "--guidance", 7.5, "--sampler", "lms", "--sampler", "ddim")
    done = run("grid", "demo", "a red circle on a blue background", "-o", tmp_path / "x.png", *settings)

    assert done.returncode == 6, done.stderr
    assert b"lms: Guard after denoiser" in done.stdout
    assert (tmp_path / "x.png").is_file()
    unguarded = run("grid", "demo", "a", "-o", tmp_path / "y.png", *settings, "--guard", "off")
    assert unguarded.returncode == 0, unguarded.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("-o x.png --seed 1 --seed 2 --side 9999", "--side is 9999"),
        ("-o x.png --seed 1 --seed 2 --seed 3 --seed 4 --side 4096", "--side is 4096; expected at most"),
        ("-o x.txt", "does not end as a format"),
        ("-o nowhere/x.png", "There is no directory"),
        ("-o x.png --cells nowhere/deep", "There is no directory"),
        ("-o x.png --cells file", "'file' is a file; expected a folder"),
        ("-o x.png --strength 0.5", "--strength 0.5 needs something to start from"),
        ("-o x.png --sampler euler --sampler unknown", "Received --sampler 'unknown'"),
        ("-o x.png --seed 1 --seed 2 --eta 0 --eta 1 --guidance 1 --guidance 2 --also demo-b", "4 settings have"),
        ("-o x.png --also demo-tiny", "is a VAE alone"),
    ],
)
def test_a_wrong_call_gets_one_sentence_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    error = CliRunner().invoke(group, [*CALL, *words.split()]).exception
    assert isinstance(error, LatentLinkError), error
    assert error.status == 2
    assert says in str(error)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_sheet_is_not_the_folder_of_its_pictures(tmp_path: Path) -> None:
    done = CliRunner().invoke(group, [*CALL, "-o", str(tmp_path / "g.png"), "--cells", str(tmp_path / "g.png")])
    assert isinstance(done.exception, LatentLinkError)
    assert "is the sheet and the folder of its pictures" in done.exception.message
    assert [*tmp_path.iterdir()] == []
