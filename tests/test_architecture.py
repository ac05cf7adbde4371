"""The rules of the house: who may import whom, no family outside export/, no torch in the runtime."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.house import (
    FILES_OF,
    FOLDERS,
    LIBRARIES,
    MOST_FILES,
    MOST_FILES_ON_TOP,
    ROOMS,
    ROOT,
    counts,
    file_of,
    imports,
    room_of,
    sources,
)

FAMILIES = re.compile(r"sdxl|sd3|flux|refiner|kl-f8|sd1|clip_l|stable.diffusion", re.IGNORECASE)

# The package's front hands out the runtime's names when they are asked for, and runs the command line.
FRONT = (Path("latentlink/__init__.py"), Path("latentlink/__main__.py"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_room_imports_only_what_the_table_allows(folder: str) -> None:
    for path in sources(folder):
        room = room_of(path)
        for name in imports(path):
            other = file_of(name)
            if other is None or path in FRONT:
                continue
            found = room_of(other)
            if (str(path), found) in FILES_OF:
                continue
            assert found in {room, "latentlink"} | ROOMS[room], f"{path} ({room}) imports {name} ({found})"


@pytest.mark.parametrize("folder", LIBRARIES)
def test_a_folder_imports_only_the_libraries_of_the_table(folder: str) -> None:
    for path in sources(folder):
        if {"cli", "terminal"} & set(path.parts):
            continue
        for name in imports(path):
            library = name.partition(".")[0]
            if library != "latentlink" and library not in sys.stdlib_module_names:
                assert library in LIBRARIES[folder], f"{path} imports {name}"


def test_the_table_has_no_circle() -> None:
    left = {room: set(others) for room, others in ROOMS.items()}
    while left:
        done = [room for room, others in left.items() if not others & left.keys()]
        assert done, f"a circle among {sorted(left)}"
        left = {room: others for room, others in left.items() if room not in done}


def test_every_file_has_a_room_and_no_room_is_crowded() -> None:
    found = counts()
    assert all(room_of(path) for folder in FOLDERS for path in sources(folder))
    for folder, count in found.items():
        most = MOST_FILES_ON_TOP if any(other.startswith(f"{folder}/") for other in found) else MOST_FILES
        assert count <= most, f"{folder} has {count} files, at most {most}: {found}"


def test_a_private_module_is_imported_in_its_own_room_alone() -> None:
    for folder in FOLDERS:
        for path in sources(folder):
            for name in imports(path):
                other = file_of(name)
                if other is not None and other.stem.startswith("_") and not other.stem.startswith("__"):
                    assert other.parent == path.parent, f"{path} imports {name}"


def test_the_packages_of_pyproject_are_the_folders() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    folders = {path.parent for folder in FOLDERS for path in sources(folder) if path.name == "__init__.py"}
    names = {".".join(path.parts if path.parts[0] == "latentlink" else ("latentlink", *path.parts)) for path in folders}
    assert set(listed["packages"]) == names | set(listed["package-dir"])


def test_every_folder_of_the_package_is_linked_into_it() -> None:
    for folder in FOLDERS[1:]:
        link = ROOT / "latentlink" / folder
        assert link.is_symlink(), f"{link} is no link: see CONTRIBUTING.md"
        assert link.resolve() == ROOT / folder


@pytest.mark.parametrize("folder", ["runtime", "engine"])
def test_no_family_is_named(folder: str) -> None:
    for path in sources(folder):
        found = FAMILIES.search((ROOT / path).read_text(encoding="utf-8"))
        assert found is None, f"{path} names {found and found.group()}"


BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {
            "torch", "diffusers", "transformers", "onnx", "onnx_ir", "scipy", "optimum",
            "cuda", "openvino", "tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings",
        }:
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Block())
"""


def test_a_picture_is_made_with_torch_diffusers_and_transformers_blocked(tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    code = BLOCKED + (
        "from latentlink.cli import main\n"
        f"sys.argv = ['latentlink', 'generate', 'demo', 'a red circle on a blue background', '-o', {str(out)!r}, "
        "'--steps', '4']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert out.stat().st_size > 100


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, latentlink; print(sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("numpy", "onnxruntime", "PIL", "click", "rich", "torch", "tokenizers"):
        assert f"'{heavy}'" not in loaded
