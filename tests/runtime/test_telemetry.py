"""A picture is drawn without ONNX Runtime's telemetry, which is on by default."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

DRAW = "import latentlink; latentlink.load('demo').generate('a red circle', steps=1)"


@pytest.mark.parametrize("wanted", [False, True])
def test_onnx_runtime_keeps_no_identifier_of_this_machine_unless_it_is_wanted(tmp_path: Path, wanted: bool) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    environment |= {"XDG_CACHE_HOME": str(tmp_path)} | ({"ORT_DISABLE_TELEMETRY": "0"} if wanted else {})
    subprocess.run([sys.executable, "-c", DRAW], env=environment, check=True, capture_output=True)
    kept = {path.name for path in tmp_path.iterdir()}
    if wanted:
        assert "latentlink" in kept  # a version without telemetry keeps nothing else either
    else:
        assert kept == {"latentlink"}
