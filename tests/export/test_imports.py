"""Every module of export/ can be the first one that is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import latentlink.export

# One process with torch, diffusers and the like imported once; only the modules of export/ are made to start afresh, as
# nothing that they import imports them.
FIRST = """
import importlib, sys
failed = []
for name in sys.argv[1:]:
    for module in [module for module in sys.modules if module.startswith("latentlink.export")]:
        del sys.modules[module]
    try:
        importlib.import_module(name)
    except ImportError as error:
        failed.append(f"{name}: {error}")
sys.exit("; ".join(failed) or None)
"""


def modules() -> list[str]:
    root = Path(latentlink.export.__file__).parent
    # egg_info.py belongs to the build, whose tools need not be here
    files = [path for path in sorted(root.rglob("*.py")) if path.name != "egg_info.py"]
    parts = [path.relative_to(root).with_suffix("").parts for path in files]
    return [".".join(("latentlink.export", *part)).removesuffix(".__init__") for part in parts]


def test_a_module_of_export_can_be_the_first_to_be_imported() -> None:
    found = modules()
    assert "latentlink.export.parts.text" in found
    done = subprocess.run([sys.executable, "-c", FIRST, *found], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
