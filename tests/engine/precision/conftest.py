"""Small graphs written as text, a small step as the exporter writes it, and what ONNX Runtime computes with them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from latentlink.engine.precision.rules.rule import Rule
from latentlink.engine.precision.widen import widen

Read: TypeAlias = Callable[..., ir.Model]
Compute: TypeAlias = Callable[..., list[NDArray[Any]]]
Claimed: TypeAlias = Callable[..., dict[str, str]]

SYMBOLS = {
    "LATENT": "latent__sd__c4_f8__float32__1f0c9a2e",
    "COEFFICIENTS": "coefficients__step__k15__float32__c827edb4",
    "TEXT": "text__clip_l__d4__float32__f18496c6",
}


def _read(text: str, opset: int = 20) -> ir.Model:
    for name, symbol in SYMBOLS.items():
        text = text.replace(name, symbol)
    text = re.sub(r"\bones(\[[\d,]+\]) (\w+)", lambda found: f"float{found[1]} {found[2]} = {_ones(found[1])}", text)
    return ir.from_onnx_text(f'<ir_version: 10, opset_import: ["" : {opset}]>\nmain {text}')


def _ones(shape: str) -> str:
    return "{" + ", ".join(["1"] * math.prod(json.loads(shape))) + "}"


@pytest.fixture
def read() -> Read:
    """A model from the head and body of its graph in ONNX's text syntax.

    LATENT, COEFFICIENTS and TEXT stand for symbols, `ones[4,4] weights` for a constant of ones.
    """
    return _read


@pytest.fixture
def compute(tmp_path: Path) -> Compute:
    """Saves a model, checks it, types included, and runs it on arrays for its inputs."""

    def run(model: ir.Model, *inputs: NDArray[Any]) -> list[NDArray[Any]]:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.onnx"
        ir.save(model, path, external_data=f"{path.name}.data")
        onnx.checker.check_model(path, full_check=True)
        options = ort.SessionOptions()
        options.log_severity_level = 3
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        feeds = {value.name: array for value, array in zip(session.get_inputs(), inputs, strict=True)}
        return list(session.run(None, feeds))

    return run


@pytest.fixture
def claimed() -> Claimed:
    """What a rule claims of a graph given as text: by the name of what a node makes, the reason."""

    def claims(rule: Rule, text: str, low: ir.DataType = ir.DataType.FLOAT16) -> dict[str, str]:
        model = _read(text)
        widen(model)
        return {str(node.outputs[0].name): reason for node, reason in rule(model, low).items()}

    return claims


@pytest.fixture(scope="session")
def step(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole step around a small network that has one of each thing that stays in float32, as it is exported."""
    import torch
    from torch import Tensor, nn

    from latentlink.export.checkpoints import ExportOptions
    from latentlink.export.graphs import DTYPES, write_onnx
    from latentlink.export.parts import denoiser_component
    from latentlink.spaces import KNOWN_SPACES, TextEmbedding

    class Network(nn.Module):
        """Convolution and group norm, told of the timestep; attention to the text, whose norm is written out."""

        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Conv2d(4, 16, 3, padding=1), nn.Conv2d(16, 4, 3, padding=1)
            self.time, self.norm = nn.Linear(16, 16), nn.GroupNorm(4, 16)
            self.text, self.out = nn.Linear(8, 16), nn.Linear(16, 16)

        def forward(self, latent: Tensor, timestep: Tensor, text: Tensor) -> Tensor:
            angles = timestep[:, None] * torch.exp(-torch.arange(8, dtype=torch.float32))
            embedded = self.time(torch.cat([angles.sin(), angles.cos()], dim=-1).to(latent.dtype))
            x = self.norm(self.first(latent) + embedded[:, :, None, None])
            tokens = x.flatten(2).transpose(1, 2)
            wide = text.float()
            keys = self.text((wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6)).to(text.dtype))
            heads = keys[:, None]
            tokens = tokens + self.out(nn.functional.scaled_dot_product_attention(tokens[:, None], heads, heads)[:, 0])
            made: Tensor = self.last(nn.functional.silu(tokens.transpose(1, 2).reshape(x.shape)))
            return made

    torch.manual_seed(0)
    text = TextEmbedding(name="clip_l", width=8)
    component = denoiser_component(Network(), options=ExportOptions(), space=KNOWN_SPACES["sd"], texts=(text,))
    sizes = {"B": 2, "N": 4, "S": 5, "h": 8, "w": 6}
    path = tmp_path_factory.mktemp("step") / "model.onnx"
    write_onnx(
        component.module.compute_in(DTYPES["float32"]),
        component.example(sizes, seed=0),
        inputs=component.inputs,
        outputs=component.outputs,
        path=path,
    )
    return path


@pytest.fixture(scope="session")
def step_inputs(step: Path) -> list[NDArray[np.float32]]:
    """Arrays for the step's inputs, of the sizes that it was traced with; the timesteps are large."""
    random = np.random.default_rng(0)
    sizes = {"B": 2, "N": 4, "S": 5, "h": 8, "w": 6}
    arrays = []
    for value in ir.load(step).graph.inputs:
        shape = [sizes[str(dim)] if not isinstance(dim, int) else dim for dim in value.shape or ()]
        array = random.standard_normal(shape).astype(np.float32)
        if str(value.name).startswith("coefficients"):
            array[:, 0] = 999, 501
        arrays.append(array)
    return arrays
