"""The native runtime as a stranger finds it: installed under a prefix, and the examples built outside of the tree."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import latentlink
from latentlink.bundle_names import bundle_path
from tests.native.built_files import FOLDER, built

ROOT = Path(__file__).parents[2]

PROMPT = "a red circle on a blue background"

pytestmark = pytest.mark.xdist_group("native-install")


def run(*words: object, folder: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """What a program prints; fails with all of it if it fails."""
    done = subprocess.run(
        [*map(str, words)], cwd=folder, env={**os.environ, **(env or {})}, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built("liblatentlink.so")
    folder = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", FOLDER, "--prefix", folder)
    return folder


def check_picture(path: Path) -> None:
    """The example's picture is that of the Python runtime with the same seed."""
    with latentlink.load("demo") as pipe:
        expected = pipe.generate(PROMPT, seed=7).images[0]
    with Image.open(path) as found:
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


@pytest.mark.parametrize("language", ["c", "cpp"])
def test_an_example_is_built_with_find_package_and_draws(prefix: Path, language: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / language, tmp_path / "source")
    run("cmake", "-S", tmp_path / "source", "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", tmp_path / "build")
    said = run(tmp_path / "build" / "generate", bundle_path("demo"), PROMPT, tmp_path / "out.png")
    assert said.splitlines()[-1].startswith("step 50 of 50")
    check_picture(tmp_path / "out.png")


def test_an_example_is_built_with_pkg_config_and_draws(prefix: Path, tmp_path: Path) -> None:
    found = {"PKG_CONFIG_PATH": str(prefix / "lib" / "pkgconfig")}
    flags = run("pkg-config", "--cflags", "--libs", "latentlink", env=found).split()
    run("cc", ROOT / "examples" / "c" / "generate.c", "-o", tmp_path / "generate", *flags)
    libraries = {"LD_LIBRARY_PATH": str(prefix / "lib")}
    run(tmp_path / "generate", bundle_path("demo"), PROMPT, tmp_path / "out.png", env=libraries)
    check_picture(tmp_path / "out.png")


@pytest.mark.parametrize("language", ["c", "cpp"])
def test_an_example_is_linked_statically_and_draws(prefix: Path, language: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / language, tmp_path / "source")
    file = tmp_path / "source" / "CMakeLists.txt"
    text = file.read_text(encoding="utf-8")
    text = text.replace("LatentLink REQUIRED", "LatentLink REQUIRED COMPONENTS static")
    file.write_text(text.replace("LatentLink::latentlink", "LatentLink::static"), encoding="utf-8")
    run("cmake", "-S", tmp_path / "source", "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", tmp_path / "build")
    assert "liblatentlink" not in run("ldd", tmp_path / "build" / "generate")
    run(tmp_path / "build" / "generate", bundle_path("demo"), PROMPT, tmp_path / "out.png")
    check_picture(tmp_path / "out.png")


def test_a_folder_without_onnxruntime_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    built("liblatentlink.so")
    done = subprocess.run(
        ["cmake", "-S", ROOT, "-B", tmp_path, f"-DONNXRUNTIME_ROOT={tmp_path}/nothing"], capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "does not have ONNX Runtime's headers and library" in " ".join(done.stderr.split())


def test_an_example_says_what_is_wrong(prefix: Path, tmp_path: Path) -> None:
    found = {"PKG_CONFIG_PATH": str(prefix / "lib" / "pkgconfig")}
    flags = run("pkg-config", "--cflags", "--libs", "latentlink", env=found).split()
    run("cc", ROOT / "examples" / "c" / "generate.c", "-o", tmp_path / "generate", *flags)
    done = subprocess.run(
        [tmp_path / "generate", tmp_path / "nothing", PROMPT, tmp_path / "out.png"],
        env={**os.environ, "LD_LIBRARY_PATH": str(prefix / "lib")},
        capture_output=True,
        text=True,
    )
    with pytest.raises(latentlink.UsageError) as raised:
        latentlink.load(tmp_path / "nothing")
    assert (done.returncode, done.stderr.strip()) == (2, str(raised.value))


def test_the_command_is_installed_and_finds_the_demo_models(prefix: Path, tmp_path: Path) -> None:
    run(prefix / "bin" / "latentlink-native", "generate", "demo", PROMPT, "--seed", 7, "-o", "out.png", folder=tmp_path)
    check_picture(tmp_path / "out.png")
