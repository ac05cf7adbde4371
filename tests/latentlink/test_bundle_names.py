"""Names of bundles: one rule for the ones that ship, and what is told of a path that is no bundle."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import latentlink
from latentlink.bundle_names import SHIPPED, bundle_path, names_bundle, new_bundle_path
from latentlink.engine.bundle import Bundle
from latentlink.errors import UsageError
from latentlink.spaces import LatentSpace


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(folder: Path) -> Path:
    """What looks like a bundle."""
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    return folder


@pytest.mark.parametrize("name", SHIPPED)
def test_text_is_the_bundle_that_ships_and_a_path_is_the_folder(here: Path, name: str) -> None:
    shipped = bundle_path(name)
    assert (shipped / "manifest.json").is_file()
    for path in (Path(name), Path(f"./{name}"), f"./{name}", f"{name}/", str(here / name)):
        assert bundle_path(path).absolute() == here / name


@pytest.mark.parametrize("name", SHIPPED)
def test_a_name_of_two_bundles_is_refused_and_the_folder_can_be_named(here: Path, name: str) -> None:
    make(here / name)
    with pytest.raises(UsageError, match=rf"'{name}' names a bundle that comes with .* Write \./{name}"):
        bundle_path(name)
    assert bundle_path(f"./{name}") == Path(name)


def test_a_folder_without_a_manifest_is_no_second_bundle(here: Path) -> None:
    (here / "demo").mkdir()
    assert (bundle_path("demo") / "manifest.json").is_file()


def test_the_folder_of_the_bundles_that_ship_is_no_second_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bundle_path("demo").parent)
    assert bundle_path("demo").samefile("demo")


@pytest.mark.parametrize("name", SHIPPED)
def test_no_new_bundle_gets_a_name_that_is_taken(name: str) -> None:
    with pytest.raises(UsageError, match=rf"'{name}' is the name of a bundle .* write \./{name}"):
        new_bundle_path(name)
    assert new_bundle_path(f"./{name}") == new_bundle_path(Path(name)) == Path(name)
    assert new_bundle_path(f"{name}-2") == Path(f"{name}-2")


@pytest.mark.parametrize(
    "value", [b"demo", "", None, 3, "a\0b", "x" * 300], ids=["bytes", "empty", "none", "number", "nul", "long"]
)
def test_what_is_no_path_is_no_bundle(value: object) -> None:
    with pytest.raises(UsageError, match=r"^vae_decoder is "):
        bundle_path(value, "vae_decoder")  # type: ignore[arg-type]


def test_a_prompt_names_no_bundle(here: Path) -> None:
    for text in ("a cat", "x" * 5000, "a\0b", "", "\ud800", "../a/b"):
        assert not names_bundle(text)
    assert names_bundle("demo")
    make(here / "own")
    assert names_bundle("own")


def test_no_text_is_not_the_bundle_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make(tmp_path / "own"))
    assert names_bundle(".")
    assert not names_bundle("")


def told(path: str | Path) -> str:
    """What is said where a bundle is opened."""
    with pytest.raises(UsageError) as caught:
        Bundle.open(path)
    assert "; expected the folder of a bundle or export." in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "meant"), [("dmeo", "demo"), ("demo_b", "demo-b"), ("Demo", "demo"), ("my-bundel", "my-bundle")]
)
def test_a_misspelt_name_is_told_with_the_nearest_one(here: Path, name: str, meant: str) -> None:
    make(here / "my-bundle")
    assert f"{name!r} does not exist" in told(name)
    assert f"Did you mean {meant!r}?" in told(name)


def test_a_name_like_no_other_is_told_how_bundles_are_made(here: Path) -> None:
    assert "Make one: latentlink export CHECKPOINT EXPORTED" in told("cathedral")


@pytest.mark.parametrize(
    ("name", "says", "takes"),
    [
        ("a.png", "is a picture", "--init-image a.png"),
        ("a.JPG", "is a picture", "--init-image a.JPG"),
        ("a.onnx", "is the file of an engine", "latentlink inspect a.onnx"),
        ("a.safetensors", "is a file of weights", "latentlink export a.safetensors EXPORTED"),
        ("a.ckpt", "is a file of weights in a form that is not read", "as .safetensors"),
        ("a.zip", "is an archive", "Unpack it"),
        ("a.txt", "is a file", "latentlink export"),
    ],
)
def test_a_file_is_told_what_it_is_and_what_takes_it(here: Path, name: str, says: str, takes: str) -> None:
    (here / name).write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    assert f"{name!r} {says}" in told(name)
    assert takes in told(name)


def test_latents_are_told_what_takes_them(here: Path) -> None:
    space = LatentSpace(name="own", channels=4, downscale=8)
    latentlink.Latents(array=np.zeros((1, 4, 8, 8), np.float32), space=space).save("a.safetensors")
    assert "is a file of latents" in told("a.safetensors")
    assert "--init-latents a.safetensors" in told("a.safetensors")


def test_a_pipe_is_told_and_not_waited_for(here: Path) -> None:
    os.mkfifo("a.safetensors")
    assert "'a.safetensors' is a device, pipe or socket" in told("a.safetensors")


def test_a_picture_that_is_named_as_a_bundle_of_load_is_told_as_well(here: Path) -> None:
    Image.new("RGB", (8, 8)).save("a.png")
    with pytest.raises(UsageError, match=r"'a.png' is a picture"):
        latentlink.load("a.png")


def test_a_checkpoint_is_told_how_to_export_it(here: Path) -> None:
    (here / "model").mkdir()
    (here / "model" / "model_index.json").write_text("{}")
    assert "'model' is a checkpoint" in told("model")
    assert "latentlink export model EXPORTED" in told("model")


def test_a_folder_of_bundles_and_a_folder_in_a_bundle_are_told(here: Path) -> None:
    make(here / "all" / "one")
    (here / "all" / "one" / "engines").mkdir()
    assert "the folders one do; expected" in told("all")
    assert "Name one of them: all/one." in told("all")
    assert f"is a folder inside of {str(here / 'all' / 'one')!r}" in told("all/one/engines")
    assert "Name its folder: 'all/one'" in told("all/one/manifest.json")
    shutil.rmtree(here / "all" / "one")
    assert "'all' is a folder without manifest.json" in told("all")
