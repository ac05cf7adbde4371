"""The matrix-product peak of this GPU: one large product in float16, the fastest of several runs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from time import perf_counter

import numpy as np

from latentlink.bench.gpu.findings import Peak
from latentlink.engine.builders import BUILDERS, Job
from latentlink.engine.targets import TARGETS
from latentlink.errors import LatentLinkError, PreflightError
from latentlink.ports import Port
from latentlink.runtime.sessions import open_session
from latentlink.runtime.sessions.clock import CLOCK

SIDE = 8192
"""Side of the square matrices: 134 MB each, 1.1 TFLOP per product."""

RUNS = 30


def matrix_product_peak(targets: Sequence[str]) -> Peak:
    """The peak with torch, or without CUDA in torch, with the first target that can measure it.

    Args:
        targets: Targets that can be built and run here.

    Raises:
        PreflightError: None of them can measure it.
    """
    refused = []
    for how in (by_torch, *(_by(target) for target in targets)):
        try:
            return how()
        except (ImportError, LatentLinkError) as error:
            refused.append(str(error))
    raise PreflightError(f"The matrix-product peak was not measured: {' '.join(refused)}")


def by_torch() -> Peak:
    """The peak of `torch.mm`.

    Raises:
        ImportError: There is no torch.
        PreflightError: torch has no CUDA.
    """
    import torch

    if not torch.cuda.is_available():
        raise PreflightError(f"torch {torch.__version__} has no CUDA here.")
    a, b = (torch.randn(SIDE, SIDE, device="cuda", dtype=torch.float16) for _ in range(2))
    out = torch.empty_like(a)
    seconds = []
    for _ in range(RUNS):
        torch.cuda.synchronize()
        began = perf_counter()
        torch.mm(a, b, out=out)
        torch.cuda.synchronize()
        seconds.append(perf_counter() - began)
    return _peak(seconds, f"torch {torch.__version__}")


def by_engine(target: str) -> Peak:
    """The peak of an engine with one node.

    Raises:
        LatentLinkError: The engine cannot be built or run.
    """
    ports = product_ports()
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "source.onnx", Path(folder) / "engine" / TARGETS[target].file
        out.parent.mkdir()
        write_product(source, ports)
        job = Job(
            target=target,
            component="product",
            precision="float16",
            source=source,
            out=out,
            inputs=(*ports[:2],),
            outputs=(ports[2],),
        )
        import_module(BUILDERS[target]).build_engine(job)
        session = open_session(out, target)
        try:
            rng = np.random.default_rng(0)
            feeds = {
                port.tensor: session.upload(rng.standard_normal((SIDE, SIDE), np.float32).astype(np.float16))
                for port in ports[:2]
            }
            outputs = {ports[2].tensor: session.empty((SIDE, SIDE), np.dtype(np.float16))}
            marks = [CLOCK.engines]
            for _ in range(RUNS):
                session.run(feeds, outputs)
                session.wait()
                marks.append(CLOCK.engines)
        finally:
            session.close()
    return _peak(list(np.diff(marks)), f"an engine for {target}")


def product_ports() -> list[Port]:
    """Ports of two matrices and their product. Their kind is text, as engines only have ports of known kinds."""
    return [
        Port(
            kind="text",
            name=name,
            layout=(("d", SIDE),),
            dtype="float16",
            digest="0" * 8,
            shape=(SIDE, SIDE),
        )
        for name in ("a", "b", "product")
    ]


def write_product(path: Path, ports: Sequence[Port]) -> None:
    """Write an ONNX graph with one MatMul: two inputs and the product, named by the ports."""
    import onnx_ir as ir

    a, b, product = (
        ir.Value(name=port.tensor, shape=ir.Shape(port.shape), type=ir.TensorType(ir.DataType.FLOAT16))
        for port in ports
    )
    node = ir.Node("", "MatMul", [a, b], outputs=[product])
    ir.save(ir.Model(ir.Graph([a, b], [product], nodes=[node], opset_imports={"": 20}), ir_version=10), path)


def _by(target: str) -> Callable[[], Peak]:
    return lambda: by_engine(target)


def _peak(seconds: Sequence[float], what: str) -> Peak:
    tflops = 2 * SIDE**3 / min(seconds) / 1e12
    return Peak(tflops=tflops, how=f"{SIDE}x{SIDE} matrices in float16 by {what}, the fastest of {len(seconds)} runs")
