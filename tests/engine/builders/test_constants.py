"""Builders that simplify a graph keep operations with a constant that is almost neutral."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray

from latentlink.engine.builders import Job
from latentlink.engine.builders.table import BUILDERS, open_on_cpu
from latentlink.ports import latent_port
from latentlink.spaces import LatentSpace

LATENT = latent_port(LatentSpace(name="demo", channels=3, downscale=2))
X = LATENT.at("x")

Array = NDArray[np.float32]

FORMS: tuple[tuple[str, float, Callable[[Array, Any], Array]], ...] = (
    (f"Add({X.tensor}, {{}})", 0.0, lambda x, c: x + c),
    (f"Add({{}}, {X.tensor})", 0.0, lambda x, c: x + c),
    (f"Sub({X.tensor}, {{}})", 0.0, lambda x, c: x - c),
    (f"Mul({X.tensor}, {{}})", 1.0, lambda x, c: x * c),
    (f"Div({X.tensor}, {{}})", 1.0, lambda x, c: x / c),
)
"""By form: its operation on x and a constant, the constant that changes nothing, and what is computed."""

CASES = [
    (form, np.float32(neutral + away), compute)
    for form, neutral, compute in FORMS
    for away in (1e-15, -1e-15, 9e-9, 1e-30, 2e-7, -2e-7)
    if np.float32(neutral + away) != np.float32(neutral)
]


@pytest.mark.parametrize("shape", ["", "[1]"])
@pytest.mark.parametrize(("target", "file"), [("ort-cpu", "model.onnx"), ("openvino-cpu", "model.xml")])
def test_a_built_engine_computes_with_every_constant(tmp_path: Path, target: str, file: str, shape: str) -> None:
    ports = tuple(LATENT.at(f"history{number}") for number in range(len(CASES)))
    kind = "float[B,3,h,w]"
    outputs = ", ".join(f"{kind} {port.tensor}" for port in ports)
    constants = ", ".join(f"float{shape} c{number} = {{{value!s}}}" for number, (_, value, _) in enumerate(CASES))
    body = "\n".join(
        f"{port.tensor} = {form.format(f'c{number}')}"
        for number, (port, (form, _, _)) in enumerate(zip(ports, CASES, strict=True))
    )
    graph = f"main ({kind} {X.tensor}) => ({outputs}) <{constants}> {{ {body} }}"
    ir.save(ir.from_onnx_text(f'<ir_version: 10, opset_import: ["" : 20]>\n{graph}'), tmp_path / "graph.onnx")
    (tmp_path / "built").mkdir()
    out = tmp_path / "built" / file
    import_module(BUILDERS[target]).build_engine(
        Job(
            target=target,
            component="denoiser",
            precision="float32",
            source=tmp_path / "graph.onnx",
            out=out,
            inputs=(X,),
            outputs=ports,
            limits={},
        )
    )
    with open_on_cpu(out, target) as run:
        for fill in (0.0, 1.0):
            x = np.full((1, 3, 2, 2), fill, np.float32)
            found = run({X.tensor: x})
            for port, (form, constant, compute) in zip(ports, CASES, strict=True):
                wanted = compute(x, constant)
                # one operation of float32; OpenVINO may multiply by the reciprocal, a rounding more
                np.testing.assert_allclose(found[port.tensor], wanted, rtol=6e-8, atol=0, err_msg=f"{form} {constant}")
