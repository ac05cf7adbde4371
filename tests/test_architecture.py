"""The rules of the house: who may import whom, no family outside export/, no torch in the runtime."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Folder: (what it may import of latentlink, what it may import from elsewhere; None: anything it installs)
TABLE: Mapping[str, tuple[set[str], set[str] | None]] = {
    "latentlink": (set(), {"numpy"}),
    "export": ({"engine"}, None),
    "engine": (set(), {"numpy", "onnxruntime", "onnx_ir", "safetensors"}),
    "runtime": ({"engine"}, {"numpy", "onnxruntime", "tokenizers", "PIL", "safetensors"}),
    "calibration": ({"engine", "runtime"}, {"numpy", "onnx_ir", "onnxruntime", "safetensors", "PIL"}),
    "bench": ({"engine", "runtime", "demo"}, None),
}

# The only modules of engine/ that the runtime may read: never a builder.
ENGINE_FOR_RUNTIME = {
    "agreement", "bundle", "files", "fingerprint", "gate", "machine", "manifest", "openvino_engine", "openvino_module",
    "ort_providers", "probes", "targets", "tensorrt_module",
}  # fmt: skip
VOCABULARY = {"errors", "ports", "spaces"}
FAMILIES = re.compile(r"sdxl|sd3|flux|refiner|kl-f8|sd1|clip_l|stable.diffusion", re.IGNORECASE)


def _sources(folder: str) -> list[Path]:
    files = [path for path in (ROOT / folder).rglob("*.py") if "cli" not in path.relative_to(ROOT).parts]
    assert files
    return files


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


@pytest.mark.parametrize("folder", TABLE)
def test_a_folder_imports_only_what_the_table_allows(folder: str) -> None:
    inside, outside = TABLE[folder]
    for path in _sources(folder):
        for name in _imports(path):
            parts = name.split(".")
            if parts[0] == "latentlink":
                if len(parts) == 1 or parts[1] in VOCABULARY | {folder} | inside:
                    continue
                # the package's front hands out the runtime's names when they are asked for, and runs the command line
                assert path.parent == ROOT / "latentlink", f"{path.relative_to(ROOT)} imports {name}"
                assert path.name in ("__init__.py", "__main__.py"), f"{path.relative_to(ROOT)} imports {name}"
            elif outside is not None and parts[0] not in sys.stdlib_module_names:
                assert parts[0] in outside, f"{path.relative_to(ROOT)} imports {name}"


def test_the_runtime_reads_bundles_and_fingerprints_but_no_builder() -> None:
    for path in _sources("runtime"):
        for name in _imports(path):
            if name.startswith("latentlink.engine"):
                assert name.split(".")[2] in ENGINE_FOR_RUNTIME, f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("folder", ["runtime", "engine"])
def test_no_family_is_named(folder: str) -> None:
    for path in _sources(folder):
        found = FAMILIES.search(path.read_text(encoding="utf-8"))
        assert found is None, f"{path.relative_to(ROOT)} names {found and found.group()}"


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
