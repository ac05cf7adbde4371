"""Copies between host and device, traced while something runs."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from latentlink.errors import PreflightError

Copies: TypeAlias = Counter[tuple[str, int]]
"""Number of copies by kind (`HostToDevice`, `DeviceToHost`) and size in bytes."""

KINDS: Mapping[str, str] = {"Memcpy HtoD": "HostToDevice", "Memcpy DtoH": "DeviceToHost"}
"""Kinds by the beginning of CUPTI's names of copies: `Memcpy HtoD (Pinned -> Device)`."""


def runtime_copies(run: Callable[[], object]) -> Copies:
    """Copies that the runtime itself enqueues; empty for sessions that do not use its `Cuda`.

    Raises:
        PreflightError: cuda-python is not installed.
    """
    from latentlink.runtime.sessions.gpu.cuda import this_gpu

    cuda = this_gpu()
    before, cuda.copies = cuda.copies, []
    try:
        run()
        return Counter((copy.kind, copy.size) for copy in cuda.copies if copy.kind in KINDS.values())
    finally:
        cuda.copies = before


def profiler_copies(run: Callable[[], object]) -> Copies:
    """All copies of the process, as CUPTI reports them through torch's profiler.

    Raises:
        PreflightError: There is no torch with CUDA.
    """
    try:
        import torch
    except ImportError:
        raise PreflightError("torch, whose profiler holds CUPTI, is not installed.") from None
    if not torch.cuda.is_available():
        raise PreflightError(f"torch {torch.__version__}, whose profiler holds CUPTI, has no CUDA here.")
    torch.cuda.synchronize()  # opens the device
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        run()
        torch.cuda.synchronize()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profile.export_chrome_trace(str(path))
        return copies_in(json.loads(path.read_text(encoding="utf-8"))["traceEvents"])


def copies_in(events: Iterable[Mapping[str, Any]]) -> Copies:
    """Copies in the events of a Chrome trace of torch's profiler."""
    found: Copies = Counter()
    for event in events:
        if event.get("cat") == "gpu_memcpy":
            kind = KINDS.get(" ".join(str(event["name"]).split()[:2]))
            if kind is not None:
                found[kind, int(event["args"]["bytes"])] += 1
    return found


TRACES: Mapping[str, Callable[[Callable[[], object]], Copies]] = {"own": runtime_copies, "cupti": profiler_copies}
"""Traces by the first word of their figures' names."""
