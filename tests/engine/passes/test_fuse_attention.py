"""The attention pass: what the exporter writes out is fused and computes the same, anything else is left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest
import torch
from torch import Tensor, nn

from latentlink.engine.passes.fuse_attention import fuse_attention

HEADS, WIDTH = 3, 8


class Attention(nn.Module):
    """Attention of `[N, L, heads * width]` on `[N, M, heads * width]`, as diffusers writes it."""

    def __init__(self, *, masked: bool = False) -> None:
        super().__init__()
        self.to_out = nn.Linear(HEADS * WIDTH, HEADS * WIDTH)
        self.masked = masked

    def forward(self, x: Tensor, text: Tensor) -> Tensor:
        q, k, v = (t.view(t.shape[0], -1, HEADS, WIDTH).transpose(1, 2) for t in (x, text, 2 * text))
        mask = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool).tril() if self.masked else None
        out = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        mixed: Tensor = self.to_out(out.transpose(1, 2).reshape(x.shape[0], -1, HEADS * WIDTH))
        return mixed


def exported(module: nn.Module, path: Path) -> ir.Model:
    free = {0: "N", 1: "L"}, {0: "N", 1: "M"}
    example = torch.randn(2, 5, HEADS * WIDTH), torch.randn(2, 7, HEADS * WIDTH)
    program = torch.onnx.export(module, example, dynamic_shapes=free, dynamo=True, opset_version=20, verbose=False)
    assert program is not None
    program.save(path)
    return ir.load(path)


def test_attention_is_fused_and_computes_the_same_at_any_length(tmp_path: Path) -> None:
    module = Attention().eval()
    model = exported(module, tmp_path / "plain.onnx")
    assert fuse_attention(model) == 1
    assert [node.op_type for node in model.graph].count("MultiHeadAttention") == 1
    assert "Softmax" not in [node.op_type for node in model.graph]
    ir.save(model, tmp_path / "fused.onnx")
    session = ort.InferenceSession(tmp_path / "fused.onnx", providers=["CPUExecutionProvider"])
    for rows, queries, keys in ((1, 1, 1), (2, 40, 77), (3, 300, 300)):
        x, text = torch.randn(rows, queries, HEADS * WIDTH), torch.randn(rows, keys, HEADS * WIDTH)
        feeds = {value.name: given.numpy() for value, given in zip(session.get_inputs(), (x, text), strict=True)}
        with torch.no_grad():
            wanted = module(x, text).numpy()
        # float32, sums of 300 terms in another order
        np.testing.assert_allclose(session.run(None, feeds)[0], wanted, atol=1e-5)


def test_attention_with_a_mask_is_left_alone(tmp_path: Path) -> None:
    model = exported(Attention(masked=True).eval(), tmp_path / "masked.onnx")
    before = [node.op_type for node in model.graph]
    assert fuse_attention(model) == 0
    assert [node.op_type for node in model.graph] == before


@pytest.mark.parametrize("component", ["denoiser", "vae_decoder", "vae_encoder"])
def test_every_attention_of_an_exported_component_is_found(tiny_export: Path, component: str) -> None:
    model = ir.load(tiny_export / "engines" / component / "onnx" / "model.onnx")
    softmaxes = [node.op_type for node in model.graph].count("Softmax")
    assert softmaxes > 0
    assert fuse_attention(model) == softmaxes


class Joint(nn.Module):
    """Attention of a picture's tokens and a text's together, as in SD 3 (`rotary` off) and FLUX: joined after or before
    the heads are moved, with keys normalised and queries rotated in between."""

    def __init__(self, *, rotary: bool) -> None:
        super().__init__()
        self.to_out = nn.Linear(HEADS * WIDTH, HEADS * WIDTH)
        self.rotary = rotary

    def forward(self, x: Tensor, text: Tensor) -> Tensor:
        split = [t.view(t.shape[0], -1, HEADS, WIDTH) for t in (x, text)]
        if self.rotary:
            joined = torch.cat(split, dim=1)
            angle = torch.arange(WIDTH) * 0.1
            turned = joined * angle.cos() + joined.flip(-1) * angle.sin()
            q, k, v = (t.transpose(1, 2) for t in (turned, joined * joined.square().mean(-1, keepdim=True), joined))
        else:
            q = torch.cat([t.transpose(1, 2) for t in split], dim=2)
            k = torch.cat([nn.functional.normalize(t.transpose(1, 2), dim=-1) for t in split], dim=2)
            v = torch.cat([2 * t.transpose(1, 2) for t in split], dim=2)
        out = nn.functional.scaled_dot_product_attention(q, k, v)
        mixed: Tensor = self.to_out(out.transpose(1, 2).reshape(x.shape[0], -1, HEADS * WIDTH))
        return mixed


@pytest.mark.parametrize("rotary", [False, True])
def test_attention_over_joined_normalised_and_rotated_tokens_is_fused(rotary: bool, tmp_path: Path) -> None:
    module = Joint(rotary=rotary).eval()
    model = exported(module, tmp_path / "plain.onnx")
    assert fuse_attention(model) == 1
    assert "Softmax" not in [node.op_type for node in model.graph]
    ir.save(model, tmp_path / "fused.onnx")
    session = ort.InferenceSession(tmp_path / "fused.onnx", providers=["CPUExecutionProvider"])
    for rows, queries, keys in ((1, 1, 1), (2, 40, 77), (3, 300, 300)):
        x, text = torch.randn(rows, queries, HEADS * WIDTH), torch.randn(rows, keys, HEADS * WIDTH)
        feeds = {value.name: given.numpy() for value, given in zip(session.get_inputs(), (x, text), strict=True)}
        with torch.no_grad():
            wanted = module(x, text).numpy()
        # float32, sums of 600 terms in another order
        np.testing.assert_allclose(session.run(None, feeds)[0], wanted, atol=2e-5, rtol=1e-5)
