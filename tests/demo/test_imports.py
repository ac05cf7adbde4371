from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["demo", "demo.grammar", "demo.draw", "demo.check", "bench.sheets.grid"])
def test_what_a_base_install_uses_imports_without_torch(module: str) -> None:
    program = f"import sys, latentlink.{module}; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
