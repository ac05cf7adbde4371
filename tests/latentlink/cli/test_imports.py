"""A command imports what it needs: help needs little, and a missing folder is found before the work is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from latentlink.cli import main
sys.argv = ["latentlink", *sys.argv[1:]]
try:
    main()
except SystemExit:
    pass
print(*(name for name in sys.modules if name.startswith("latentlink") or "." not in name), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("words", "unwanted"),
    [
        (["--help"], ("latentlink.cli.", "latentlink.runtime", "latentlink.engine", "numpy")),
        (["generate", "--help"], ("latentlink.runtime", "latentlink.engine", "numpy")),
        (["grid", "--help"], ("latentlink.runtime", "latentlink.engine", "latentlink.bench", "numpy")),
        (["chain", "--help"], ("latentlink.runtime", "latentlink.engine", "numpy")),
        (["bench", "--help"], ("latentlink.runtime", "latentlink.engine", "numpy")),
        (["inspect", "nowhere"], ("latentlink.runtime.", "latentlink.engine", "numpy")),
        (["build", "nowhere", "out"], ("latentlink.runtime", "latentlink.engine.builders", "onnx_ir", "onnxruntime")),
    ],
    ids=" ".join,
)
def test_a_command_imports_only_what_it_needs(words: list[str], unwanted: tuple[str, ...]) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, check=True)
    imported = done.stderr.splitlines()[-1].split()
    # the names of bundles that come with the package are all that `inspect` needs of the runtime
    needed = {"latentlink.bundle_names"} if words[0] == "inspect" else set()
    assert [name for name in imported if name.startswith(unwanted) and name not in needed] == []
