"""latentlink-native beside latentlink: the same words, files and exit statuses."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latentlink.cli import main
from tests.native.built_files import built

PROMPT = "a red circle on a blue background"

SAME: Sequence[Sequence[str]] = (
    ("inspect", "demo"),
    ("inspect", "demo-tiny"),
    ("inspect", "demo", "--json"),
    ("inspect", "nothing"),
    ("inspect", "out.safetensors"),
    ("inspect", "out.safetensors", "--json"),
    ("inspect", "out.png"),
    ("inspect", "out.png", "--json"),
    ("inspect", "out.png", "--space", "sd"),
    ("verify", "demo", "--quick"),
    ("verify", "demo", "--quick", "--vae-decoder", "demo-b"),
    ("verify", "demo", "--quick", "--vae-decoder", "demo-tiny"),
    ("verify", "nothing"),
    ("generate", "demo", PROMPT),
    ("generate", "demo", "-o", "a.png"),
    ("generate", PROMPT, "demo", "-o", "a.png"),
    ("generate", "nothing", PROMPT, "-o", "a.png"),
    ("generate", "demo", PROMPT, "-o", "nowhere/a.png"),
    ("generate", "demo", PROMPT, "-o", "-", "--output-latents", "-"),
    ("generate", "demo", PROMPT, "-o", "a.png", "--steps", "0"),
    ("generate", "demo", PROMPT, "-o", "a.png", "--steps", "many"),
    ("generate", "demo", PROMPT, "-o", "a.png", "--width", "65"),
    ("generate", "demo", PROMPT, "-o", "a.png", "--sampler", "eular"),
    ("generate", "demo", PROMPT, "-o", "a.png", "--strength", "0.5"),
    ("generate", "demo", PROMPT, "-o", "a.png", "--init-image", "nothing.png"),
    ("generate", "demo", PROMPT, "-o", "a.png", "--init-latents", "nothing.safetensors"),
    ("generate", "demo-b", PROMPT, "-o", "a.png", "--init-latents", "out.safetensors"),
    ("generate", "demo", PROMPT, "-o", "a.png", "--replace", "vae_decoder=demo-b"),
    ("generate", "demo", PROMPT, "-o", "a.png", "--replace", "vae_decoder=nothing"),
    ("generate", "demo", PROMPT, "-o", "a.png", "--target", "abacus"),
    ("generate", "demo", PROMPT, "-o", "a.png", "--condition", "original_size=1"),
    ("generate", "demo", PROMPT, "-o", "a.png", "--guidance-interval", "5"),
    ("generate", "demo", PROMPT, "-o", "a.png", "--preview-decoder", "demo-tiny"),
    ("generate", "demo", PROMPT, "-o", "a.png", "--space", "sd"),
    ("generate", "demo", "(red:99.5)", "-o", "a.png"),
    ("generate", "demo", PROMPT, "-o", "a.png", "--steps=", "--width", "64"),
    ("generate", "demo", PROMPT, "-o", "a.png", "--sampler=", "--width", "64"),
    ("transfer", "out.safetensors", "--from", "demo", "--to", "demo-b", "-o", "moved.safetensors"),
    ("transfer", "out.safetensors", "--from", "demo", "--to", "demo", "-o", "moved.safetensors"),
    ("transfer", "out.safetensors", "--from", "demo-b", "--to", "demo", "-o", "moved.safetensors"),
    ("transfer", "out.safetensors", "--from", "demo", "--to", "demo-b", "-o", "moved.safetensors", "--width", "96"),
    ("transfer", "demo", "--from", "demo", "--to", "demo-b", "-o", "moved.safetensors"),
    ("transfer", "out.safetensors", "--from", "demo", "--to", "demo-b", "-o", "moved.png"),
)
"""Words that both commands answer to in the same way."""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a picture, and with its latents."""
    built("latentlink-native")
    made = tmp_path_factory.mktemp("drawn")
    words = ("--seed", "7", "--steps", "4", "--guard", "off")
    files = ("-o", str(made / "out.png"), "--output-latents", str(made / "out.safetensors"))
    assert ours("generate", "demo", PROMPT, *words, *files)[0] == 0
    return made


@pytest.fixture
def folder(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the same files."""
    shutil.copytree(drawn, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents_of(folder: Path) -> dict[str, object]:
    """The files of a folder; metadata of a latents file are in no order."""
    return {path.name: latents_in(path) if path.suffix == ".safetensors" else path.read_bytes()
            for path in folder.iterdir()}  # fmt: skip


def latents_in(path: Path) -> object:
    content = path.read_bytes()
    data = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:data]), content[data:]


def ours(*words: str) -> tuple[int, str, str]:
    """What the Python command returns and prints."""
    done = subprocess.run([sys.executable, "-m", "latentlink", *words], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def native(*words: str) -> tuple[int, str, str]:
    """The same of the native one."""
    done = subprocess.run([built("latentlink-native"), *words], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr.replace("latentlink-native: ", "latentlink: ")


@pytest.mark.xdist_group("native-command")
@pytest.mark.parametrize("words", SAME, ids=" ".join)
def test_both_commands_say_the_same(words: Sequence[str], folder: Path, capsys: pytest.CaptureFixture[str],
                                    monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["latentlink", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    files = contents_of(folder)
    for path in folder.iterdir():
        if path.name.startswith("moved"):
            path.unlink()
    status, out, error = native(*words)
    assert (status, out) == (ended.value.code, said.out)
    assert error == said.err
    assert contents_of(folder) == files


@pytest.mark.xdist_group("native-command")
def test_a_picture_is_drawn_told_and_made_again(folder: Path) -> None:
    status, said, _ = native(
        "generate", "demo", PROMPT, "a blue square", "--seed", "7", "--num-images", "2", "-o", "n.png"
    )
    assert status == 0
    assert re.fullmatch(
        r"n-1.png, n-2.png, n-3.png, n-4.png: seeds 7 to 10, ddim, 50 steps, guidance 7.5, 64x64, [\d.]+ s.\n", said
    )
    assert ours("generate", "demo", PROMPT, "a blue square", "--seed", "7", "--num-images", "2", "-o", "p.png")[0] == 0
    for number in range(1, 5):
        with Image.open(folder / f"n-{number}.png") as one, Image.open(folder / f"p-{number}.png") as other:
            np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    assert ours("inspect", "n-3.png")[1].partition("\n")[2] == ours("inspect", "p-3.png")[1].partition("\n")[2]
    assert native("generate", "demo", "--like", "p-3.png", "-o", "again.png")[0] == 0
    assert (folder / "again.png").read_bytes() == (folder / "n-3.png").read_bytes()
    assert ours("generate", "demo", "--like", "n-3.png", "-o", "ours.png")[0] == 0
    assert (folder / "ours.png").read_bytes() == (folder / "p-3.png").read_bytes()


@pytest.mark.xdist_group("native-command")
def test_previews_and_standard_output(folder: Path) -> None:
    words = ("generate", "demo", PROMPT, "--seed", "7", "--preview-every", "20", "--preview-decoder", "demo-tiny")
    assert native(*words, "-o", "n.png")[0] == 0
    assert sorted(path.name for path in folder.glob("n*.png")) == ["n-step20.png", "n-step40.png", "n.png"]
    done = subprocess.run(
        [built("latentlink-native"), "generate", "demo", PROMPT, "--seed", "7", "-o", "-"], capture_output=True
    )
    assert done.stdout == (folder / "n.png").read_bytes()
    assert b"seed 7" in done.stderr


@pytest.mark.xdist_group("native-command")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("generat", "demo"), "There is no command 'generat'. Did you mean 'generate'?"),
        (("generate", "demo", "x", "--stps", "4"), "There is no option --stps. Did you mean --steps?"),
        (("generate", "demo", "x", "-o", "a.webp"), "Write .png"),
        (("generate", "demo", "x", "-o", "a.txt"), "does not end as a picture's file does; expected .png."),
        (("inspect", "model.onnx"), "Use latentlink inspect FILE"),
        (("bench", "demo", "--seed", "1"), "it has no --seed"),
    ],
)
def test_what_is_none_of_its_own_is_refused(words: Sequence[str], said: str, folder: Path) -> None:
    status, _, error = native(*words)
    assert status == 2
    assert said in error


@pytest.mark.xdist_group("native-command")
@pytest.mark.parametrize("prompt", ["[a, b]", "[a]", "[]", "[red] circle [blue]", "a\tb", '"quoted"'])
def test_a_prompt_in_brackets_is_one_prompt(prompt: str, folder: Path) -> None:
    words = ("demo", prompt, "--seed", "7", "--steps", "2", "--guard", "off")
    assert native("generate", *words, "-o", "n.png")[0] == 0
    assert ours("generate", *words, "-o", "p.png")[0] == 0
    with Image.open("n.png") as one, Image.open("p.png") as other:
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
        assert one.info == other.info


@pytest.mark.xdist_group("native-command")
def test_an_empty_value_is_not_the_next_word(folder: Path) -> None:
    words = ("demo", PROMPT, "--negative-prompt=", "--seed=7", "--steps=2", "--guard=off")
    assert native("generate", *words, "-o", "n.png")[0] == 0
    assert ours("generate", *words, "-o", "p.png")[0] == 0
    with Image.open("n.png") as one, Image.open("p.png") as other:
        assert one.info == other.info


@pytest.mark.xdist_group("native-command")
@pytest.mark.parametrize(
    "words", [("inspect", "demo"), ("--help",), ("inspect", "--help"), ("--version",)], ids=" ".join
)
def test_results_that_cannot_be_written_are_a_failure(words: Sequence[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([built("latentlink-native"), *words], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert "The disk is full" in done.stderr


@pytest.mark.xdist_group("native-command")
def test_a_file_that_may_not_grow_is_a_failure_that_leaves_nothing(folder: Path) -> None:
    words = ("generate", "demo", PROMPT, "--steps", "2", "--guard", "off", "-o", "n.png")
    done = subprocess.run(
        ["prlimit", "--fsize=512", built("latentlink-native"), *words], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["out.png", "out.safetensors"]


@pytest.mark.xdist_group("native-command")
def test_nothing_is_sent_and_only_named_files_are_written(folder: Path) -> None:
    home = folder / "home"
    home.mkdir()
    environment = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "PATH": "/usr/bin"}
    words = ("generate", "demo", PROMPT, "--steps", "2", "--guard", "off", "-o", "n.png")
    subprocess.run([built("latentlink-native"), *words], env=environment, check=True, capture_output=True)
    assert {path.name for path in home.rglob("*") if path.is_dir()} == {"cache", "latentlink", "proofs"}


@pytest.mark.xdist_group("native-command")
def test_words_after_two_dashes_are_arguments(folder: Path) -> None:
    words = ("generate", "demo", "--steps", "2", "--guard", "off", "-o", "n.png", "--", "-x")
    assert native(*words)[0] == 0
