"""Provenance of GPU figures: the GPU, its driver and clocks, every package, the commit, the command."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from latentlink.bench.cost import measure
from latentlink.engine.targets import Machine

QUERY = (
    "name",
    "uuid",
    "driver_version",
    "vbios_version",
    "pstate",
    "persistence_mode",
    "mig.mode.current",
    "power.limit",
    "power.draw",
    "temperature.gpu",
    "utilization.gpu",
    "memory.used",
    "clocks.current.sm",
    "clocks.current.memory",
    "clocks.max.sm",
    "clocks.max.memory",
    "clocks.applications.graphics",
    "clocks_event_reasons.active",
)
"""Fields of `nvidia-smi --query-gpu`. Unknown ones are left out."""


def provenance_of_gpu(machine: Machine) -> dict[str, Any]:
    """Where, when and with which software figures were measured.

    Args:
        machine: This machine, with a GPU.
    """
    gpu = machine.gpus[0]
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": [sys.executable, *sys.argv],
        "commit": _commit(),
        "gpu": {
            "name": gpu.name,
            "compute_capability": "{}.{}".format(*gpu.capability),
            "memory_bytes": gpu.memory,
            "count": len(machine.gpus),
        },
        "driver_cuda": None if machine.driver is None else "{}.{}".format(*machine.driver),
        "nvidia_smi": clocks(),
        "machine": dict(measure.provenance()),
        "host_memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "packages": packages(),
    }


def clocks() -> dict[str, str]:
    """Values of `QUERY` for the first visible GPU, as nvidia-smi reports them; empty without nvidia-smi."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return {}
    device = (os.environ.get("CUDA_VISIBLE_DEVICES") or "0").split(",")[0]
    found = {}
    for field in QUERY:  # one by one: it refuses all if it does not know one
        command = [program, f"--query-gpu={field}", "--format=csv,noheader", f"--id={device}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode == 0:
            found[field] = done.stdout.strip()
    return found


def packages() -> Mapping[str, str]:
    """Version of every installed distribution, by name."""
    found = {dist.metadata["Name"]: dist.version for dist in metadata.distributions()}
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def _commit() -> str | None:
    """Commit of the working tree of this file, with `+changes` if it was edited; None outside a working tree."""
    folder = Path(__file__).resolve().parent

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    return None if commit is None else commit + ("+changes" if git("status", "--porcelain") else "")
