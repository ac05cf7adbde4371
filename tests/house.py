"""The house: its rooms, and which of them each may import. `python -m tests.house` prints the number of files in each.

A room is a folder; its sub-folders belong to it unless they have a line of their own.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent

VOCABULARY = "latentlink"
"""`latentlink/*.py`, which every room may import."""

_SHARED = {"engine/quality", "engine/bundle", "engine/tokenizers"}
_READ = _SHARED | {"engine/targets"}
_ENGINE = _READ | {"engine/builders", "engine/passes", "engine/precision", "engine"}
_RUNTIME = {
    f"runtime/{room}"
    for room in (
        "samplers",
        "guards",
        "sessions",
        "linking",
        "text",
        "request",
        "picture_files",
        "probing",
        "vae",
        "denoising",
    )
} | {"runtime"}
_FORMS = {f"export/checkpoints/{form}" for form in ("networks", "directory", "single_file", "optimum", "given")}
_EXPORT = _FORMS | {f"export/{room}" for room in ("configs", "graphs", "checkpoints", "parts", "recipes")} | {"export"}
_ANY = _ENGINE | _RUNTIME | _EXPORT | {"calibration", "demo", "latentlink/terminal"}

ROOMS: Mapping[str, set[str]] = {
    VOCABULARY: set(),
    "latentlink/terminal": set(),
    "engine/quality": set(),
    "engine/tokenizers": set(),
    "engine/bundle": {"engine/quality"},
    "engine/targets": _SHARED,
    "engine/passes": set(),
    "engine/precision": set(),
    "engine/builders": _READ | {"engine/passes"},
    "engine": _ENGINE - {"engine"},
    "runtime/samplers": set(),
    "runtime/guards": _READ,
    "runtime/sessions": _READ,
    "runtime/linking": _READ | {"runtime/sessions"},
    "runtime/text": _READ | {"runtime/linking", "runtime/sessions"},
    "runtime/request": _READ | {"runtime/linking", "runtime/samplers"},
    "runtime/picture_files": _READ | {"runtime/request", "runtime/samplers"},
    "runtime/probing": _READ | {"runtime/linking", "runtime/text", "runtime/sessions"},
    "runtime/vae": _READ | {f"runtime/{room}" for room in ("linking", "request", "guards", "samplers", "sessions")},
    "runtime/denoising": _READ | {f"runtime/{room}" for room in ("linking", "request", "text", "samplers", "sessions")},
    "runtime": _READ | _RUNTIME - {"runtime"},
    "export/graphs": _SHARED,
    "export/configs": set(),
    "export/checkpoints/networks": _SHARED | {"export/configs"},
    "export/checkpoints/directory": _SHARED | {"export/configs", "export/checkpoints/networks"},
    "export/checkpoints/single_file": _SHARED
    | {"export/configs", "export/checkpoints/networks", "export/checkpoints/directory"},
    "export/checkpoints/optimum": _SHARED
    | {"export/configs", "export/graphs", "export/checkpoints/networks", "export/checkpoints/directory"},
    "export/checkpoints/given": _SHARED
    | {"export/configs"}
    | {f"export/checkpoints/{form}" for form in ("networks", "directory", "single_file")},
    "export/checkpoints": _SHARED | _FORMS | {"export/configs"},
    "export/parts": _SHARED | {"export/configs", "export/graphs", "export/checkpoints"},
    "export/recipes": _SHARED | {"export/configs", "export/graphs", "export/checkpoints", "export/parts"},
    "export": _SHARED | _EXPORT - {"export"},
    "calibration": _ENGINE | _RUNTIME,
    "demo": {"latentlink/terminal"},
    "bench": _ANY,
    "latentlink/cli": _ANY | {"bench"},
}
"""By room: the other rooms that it may import."""

LIBRARIES: Mapping[str, set[str]] = {
    VOCABULARY: {"numpy", "PIL"},  # Pillow in type hints alone
    "engine": {"numpy", "onnxruntime", "onnx_ir", "safetensors"},
    "runtime": {"numpy", "onnxruntime", "tokenizers", "PIL", "safetensors"},
    "calibration": {"numpy", "onnx_ir", "onnxruntime", "safetensors", "PIL"},
}
"""By top-level folder: what it may import from elsewhere. A folder that is not here may import what it installs."""

MOST_FILES, MOST_FILES_ON_TOP = 16, 12
"""Python files in a room, and directly in a folder that has rooms, `__init__.py` counted."""

NAMED = re.compile(r"latentlink(\.\w+)+")
"""A string that may name a module."""

FOLDERS = ("latentlink", "export", "engine", "runtime", "calibration", "bench", "demo")


def sources(folder: str) -> list[Path]:
    """Python files below a folder, relative to the root; through no link."""
    return sorted(
        path.relative_to(ROOT)
        for path in (ROOT / folder).rglob("*.py")
        if not any(parent.is_symlink() for parent in path.parents if parent != ROOT and ROOT in parent.parents)
    )


def room_of(path: Path) -> str:
    """The room of a file, from its path relative to the root."""
    return next(str(folder) for folder in path.parents if str(folder) in ROOMS)


FILES_OF = {("latentlink/bundle_names.py", "demo")}
"""Modules that read files of another room, and none of its code."""


def imports(path: Path) -> Iterator[str]:
    """Full names of the modules that a file imports, also by a string that names one."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (_module(node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and NAMED.fullmatch(node.value):
            found = file_of(node.value)
            if found is not None and (ROOT / found).is_file():
                yield node.value


def file_of(module: str) -> Path | None:
    """Path of one of this project's modules relative to the root; None of others."""
    package, *rest = module.split(".")
    if package != "latentlink":
        return None
    base = Path(*rest) if rest and rest[0] in FOLDERS else Path(package, *rest)
    return base.with_suffix(".py") if (ROOT / base.with_suffix(".py")).is_file() else base / "__init__.py"


def counts() -> dict[str, int]:
    """Python files directly in each folder that holds any."""
    found: dict[str, int] = {}
    for folder in FOLDERS:
        for path in sources(folder):
            found[str(path.parent)] = found.get(str(path.parent), 0) + 1
    return found


def _module(package: str, name: str) -> str:
    """`from package import name` imports a module, or something out of one."""
    found = file_of(f"{package}.{name}")
    return f"{package}.{name}" if found is not None and (ROOT / found).is_file() else package


if __name__ == "__main__":
    for folder, count in sorted(counts().items()):
        sys.stdout.write(f"{count:3} {folder}\n")
