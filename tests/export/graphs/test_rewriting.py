"""What optimising drops from an exported graph: operations that change nothing, and no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest
import torch
from torch import Tensor, nn

from latentlink.export.graphs import write_onnx
from latentlink.export.graphs.rewriting import exact_rules
from latentlink.ports import latent_port
from latentlink.spaces import LatentSpace
from tests.export.graphs.constants import kept

LATENT = latent_port(LatentSpace(name="demo", channels=3, downscale=2))

FORMS: tuple[tuple[str, float, Callable[[Tensor, float], Tensor]], ...] = (
    ("Add", 0.0, lambda x, c: x + c),
    ("Add", 0.0, lambda x, c: torch.tensor(c) + x),
    ("Sub", 0.0, lambda x, c: x - c),
    ("Mul", 1.0, lambda x, c: x * c),
    ("Mul", 1.0, lambda x, c: torch.tensor(c) * x),
    ("Div", 1.0, lambda x, c: x / c),
)
"""By form: the operator, the constant that changes nothing, and what is computed."""

DISTANCES = (1e-15, -1e-15, 9e-9, 1e-30, 2e-7, -2e-7, 9e-6)
"""From the neutral constant: all are within onnxscript's tolerances of 0 or of 1."""

CASES = [
    (operator, neutral + away, compute)
    for operator, neutral, compute in FORMS
    for away in DISTANCES
    if np.float32(neutral + away) != np.float32(neutral)
]


class Cases(nn.Module):
    """One output a case, and x divided by itself plus a number that only keeps it from 0, as Sana's attention is."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return *(compute(x, constant) for _, constant, compute in CASES), x / (x + 1e-15)


def exported(module: nn.Module, outputs: int, path: Path) -> ir.Model:
    ports = [LATENT.at(f"history{number}") for number in range(outputs)]
    write_onnx(module.eval(), (torch.randn(2, 3, 4, 5),), inputs=(LATENT.at("x"),), outputs=ports, path=path)
    return ir.load(path)


def test_a_constant_that_is_almost_neutral_is_computed_with(tmp_path: Path) -> None:
    with kept() as seen:
        model = exported(Cases(), len(CASES) + 1, tmp_path / "model.onnx")
    assert set(seen) == {(operator, float(np.float32(constant))) for operator, constant, _ in CASES}
    operators = [value.producer().op_type for value in model.graph.outputs]  # type: ignore[union-attr]
    assert operators == [*(operator for operator, _, _ in CASES), "Div"]
    session = ort.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for fill in (0.0, 1.0):
        x = torch.full((1, 3, 2, 2), fill)
        found = session.run(None, {LATENT.at("x").tensor: x.numpy()})
        for ours, theirs in zip(found, Cases()(x), strict=True):
            assert np.array_equal(ours, theirs.numpy())  # one operation of float32


def test_what_changes_nothing_is_dropped(tmp_path: Path) -> None:
    class Nothing(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, ...]:
            return tuple(compute(x.sin(), neutral) for _, neutral, compute in FORMS)

    model = exported(Nothing(), len(FORMS), tmp_path / "model.onnx")
    assert {node.op_type for node in model.graph} <= {"Sin", "Identity"}


def test_the_watch_notices_what_is_dropped() -> None:
    class Guarded(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x / (x + 1e-15)

    with pytest.raises(AssertionError, match=r"lost \[\('Add', 1\.0.*e-15\)\]"), kept():
        torch.onnx.export(
            Guarded().eval(), (torch.zeros(2, 3),), dynamo=True, opset_version=20, optimize=True, verbose=False
        )


def test_after_the_block_the_rules_are_onnxscripts_own() -> None:
    from onnxscript import rewriter

    rules = rewriter._DEFAULT_REWRITE_RULES
    values = [value for rule in rules for node in rule._matcher.pattern for value in node.inputs]

    def tolerances() -> list[float]:
        return [one for value in values if (one := getattr(value, "_rel_tol", None)) is not None]

    before = tolerances()
    with pytest.raises(KeyError), exact_rules():
        assert set(tolerances()) == {0.0}
        raise KeyError
    assert tolerances() == before
    assert not any("try_rewrite" in vars(rule) for rule in rules)
