"""Threads may share a pipeline, on every target: each call returns what it returns alone, and closing is safe."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import latentlink
from latentlink.engine.targets import TARGETS
from latentlink.runtime.sessions import OPENERS
from tests.runtime.together import main

ROOT = Path(__file__).parents[2]
HERE = {"ort-cpu", "openvino-cpu"}
ON_A_GPU = {"tensorrt", "tensorrt-rtx", "ort-cuda", "ort-tensorrt", "ort-nv-rtx"}
"""Those are tried in `sessions/gpu`, on stand-ins."""


def test_every_target_is_tried() -> None:
    assert OPENERS.keys() == TARGETS.keys() == HERE | ON_A_GPU


def test_threads_share_a_pipeline_of_onnx_runtime(tiny_bundle: Path) -> None:
    main(str(tiny_bundle))


def test_threads_share_a_pipeline_of_openvino(tiny_openvino_bundle: Path) -> None:
    # in a process of its own: TensorRT's Ctrl-C, in another test, crashed one in which a pipeline of OpenVINO had run
    command = [sys.executable, "-m", "tests.runtime.together", str(tiny_openvino_bundle)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("budget", [{"engine_memory": 1_400_000}, {"vae_memory": 10**9}])
def test_threads_share_a_pipeline_with_a_memory_budget(tiny_bundle: Path, budget: dict[str, int]) -> None:
    from tests.runtime.together import check_closing, check_threads

    with latentlink.load(tiny_bundle, threads=1, **budget) as pipe:  # type: ignore[arg-type]
        check_threads(pipe, (32, 64))
        check_closing(pipe, (32, 64))
