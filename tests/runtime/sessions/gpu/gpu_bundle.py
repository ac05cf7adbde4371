"""The demo bundle, as it would have been built for a GPU on a machine that has one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from latentlink.engine.bundle import Bundle, EngineEntry, Fact, SizeRange, write_bundle
from latentlink.engine.sizes import PictureSizes, limits_of
from latentlink.engine.targets import TARGETS, Machine, make_fingerprint
from latentlink.engine.targets.machine import Gpu
from latentlink.runtime import bundle_path

PROMPT = "a red circle on a blue background"
MACHINE = Machine(
    os="linux",
    architecture="x86_64",
    driver=(13, 1),
    gpus=(Gpu(name="a GPU", capability=(8, 9), memory=1 << 30),),
    versions={
        "tensorrt": "10.9.0",
        "cuda-bindings": "13.5.0",
        "onnxruntime": "1.31.1",
        "onnxruntime-gpu": "1.31.1",
        "libnvinfer.so.10": "10.16.0",
        "onnxruntime-ep-nv-tensorrt-rtx-cu13": "0.5.0",
    },
)
FACTS: dict[str, Fact] = {"source": "1", "compute_capability": ("8.9",), "cuda": "13.0"}

WriteEngine = Callable[[Path, Path, Mapping[str, SizeRange]], None]
"""Writes an engine: the graph, the engine's file, sizes."""


def write_gpu_bundle(out: Path, target: str, write_engine: WriteEngine) -> Path:
    """Write the demo bundle with engines for a target on a GPU only."""
    source = Bundle.open(bundle_path("demo"))
    components = {}
    for name, entry in source.manifest.components.items():
        limits = limits_of(source.manifest, name, PictureSizes(), every=True)
        path = f"engines/{name}/{target}/{TARGETS[target].file}"
        (out / path).parent.mkdir(parents=True)
        write_engine(source.file(entry.engines[0].path), out / path, limits)
        engine = EngineEntry(
            target=target,
            precision="float32",
            path=path,
            fingerprint=make_fingerprint(target=target, facts=FACTS, machine=MACHINE),
            limits=limits,
        )
        components[name] = replace(entry, engines=(engine,))
    for folder in ("probes", "tokenizers"):
        shutil.copytree(source.root / folder, out / folder)
    write_bundle(out, replace(source.manifest, components=components, files={}))
    return out
