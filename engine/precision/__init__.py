"""Graph passes that change what a component computes in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import onnx_ir as ir

PRECISIONS: Mapping[str, str] = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    node: str
    operator: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    precision: str
    nodes: int = 0
    kept: tuple[Kept, ...] = ()
    reason: str = ""

    @classmethod
    def whole(cls, precision: str, reason: str) -> Self:
        return cls(precision=precision, reason=reason)

    def to_json(self) -> dict[str, object]:
        return {}

    def summary(self) -> str:
        return f"{self.precision}: {self.reason}"


def convert(model: ir.Model, precision: str) -> Report:
    raise NotImplementedError(precision)
