"""What several tests share: a tiny random checkpoint, its export and its bundle. Workers share what they make."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.house import ROOT

os.environ["HF_HUB_OFFLINE"] = "1"

Alone: TypeAlias = Callable[[Path], AbstractContextManager[None]]


def pytest_collection_finish() -> None:
    """Take what is imported by now out of the search for reference cycles: half a million objects of torch and sympy
    that stay. An export searches after every component, and a tenth of its time went into looking through them.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def alone() -> Alone:
    """Holds a lock, a file of that path, against the other workers."""

    @contextmanager
    def hold(lock: Path) -> Iterator[None]:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with lock.open("w") as file:
            flock(file, LOCK_EX)
            yield

    return hold


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A folder that all workers of this run have."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if hasattr(request.config, "workerinput") else base


@pytest.fixture(scope="session", autouse=True)
def cache_of_this_run(shared: Path) -> Iterator[None]:
    """The user's cache, in which engines keep what they proved, is one of this run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(shared / "cache"))
        yield


@pytest.fixture(scope="session")
def weights() -> Path:
    """The folder of published weights, which are not in the repository; without it the test is skipped."""
    folder = os.environ.get("LATENTLINK_WEIGHTS")
    if not folder:
        pytest.skip("LATENTLINK_WEIGHTS names no folder of published weights (CONTRIBUTING.md)")
    return ROOT / folder


@pytest.fixture(scope="session")
def tiny_vaes(weights: Path, shared: Path, alone: Alone) -> Mapping[str, Path]:
    """Bundles of the published tiny VAEs, by space."""
    from latentlink.bench.sheets.tiny_vaes import SPACES, tiny_vae_bundle

    made = {}
    for name, space in SPACES.items():
        folder = shared / "made" / name
        with alone(shared / "made" / f"{name}.lock"):
            made[space] = folder / "bundles" / name
            if not made[space].is_dir():
                tiny_vae_bundle(weights / "taesd", name, folder)
    return made


@pytest.fixture(scope="session")
def tiny(shared: Path, alone: Alone) -> Path:
    """A diffusers checkpoint of the first family's classes with random weights and odd dimensions."""
    from latentlink.bench.checkpoints import make_checkpoint

    out = shared / "made" / "tiny"
    with alone(shared / "made" / "tiny.lock"):
        if not out.is_dir():
            make_checkpoint("tiny", out)
    return out


@pytest.fixture(scope="session")
def tiny_export(tiny: Path, alone: Alone) -> Path:
    """The checkpoint's export, float32."""
    from latentlink.export.exporter import export_checkpoint

    out = tiny.parent / "tiny-export"
    with alone(tiny.parent / "export.lock"):
        if not out.is_dir():
            export_checkpoint(tiny, out)
    return out


@pytest.fixture(scope="session")
def tiny_bundle(tiny_export: Path, alone: Alone) -> Path:
    """The export's ort-cpu bundle."""
    from latentlink.engine.build import build_bundle

    out = tiny_export.parent / "tiny-bundle"
    with alone(tiny_export.parent / "bundle.lock"):
        if not out.is_dir():
            build_bundle(tiny_export, out)
    return out


@pytest.fixture(scope="session")
def tiny_openvino_bundle(tiny_export: Path, alone: Alone) -> Path:
    """The export's openvino-cpu bundle."""
    out = tiny_export.parent / "tiny-openvino-bundle"
    with alone(tiny_export.parent / "openvino-bundle.lock"):
        if not out.is_dir():
            # TensorRT's Ctrl-C, in another test, crashes a process that has built such a bundle
            command = [sys.executable, "-m", "latentlink", "build", str(tiny_export), str(out)]
            subprocess.run([*command, "--target", "openvino-cpu"], check=True, capture_output=True)
    return out
