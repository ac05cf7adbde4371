"""One component traced to ONNX, compared with torch, and described for the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from latentlink.engine.bundle import (
    ComponentEntry,
    EngineEntry,
    Probes,
    TokenizerEntry,
)
from latentlink.engine.quality import Threshold
from latentlink.errors import CheckpointError
from latentlink.export.checkpoints import ExportOptions
from latentlink.export.graphs import DTYPES, Component, PlainGraph, plain_graph, write_onnx
from latentlink.export.parity import Parity, ReferenceRun, compare_with_reference

ONNX = "onnx"


WIDE = "onnx-float32"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedComponent:
    """One exported component, for progress displays.

    Args:
        name: The component.
        parity: Agreement with torch; None where this machine cannot run its dtype.
    """

    name: str
    parity: Parity | None


def export_component(
    component: Component,
    probes: Probes,
    cases: Sequence[ReferenceRun],
    folder: Path,
    options: ExportOptions,
    threshold: Threshold | None = None,
) -> tuple[ComponentEntry, Parity | None]:
    """Trace one component, compare it with torch in float32, and describe it.

    Args:
        component: The component; its module is still in float32.
        probes: Its golden inputs and outputs.
        cases: Example inputs with reference outputs; the first inputs are traced with.
        folder: The export.
        options: Options of the export.
        threshold: What it has to reach in float32; None: what all float32 engines have to.

    Raises:
        CheckpointError: It computes something else than its module.
    """
    plain = plain_graph(component.module)
    precision = component.computes_in(options.dtype) if plain is None else _precision_of_plain(component, plain)
    example = tuple(torch.from_numpy(array) for array in cases[0][0])
    # The wide graph is written first, as converted weights cannot be restored, and listed last, as the last choice.
    wide = component.name in options.wide and precision != "float32"
    engines, parities = [], []
    for number, computes in enumerate(("float32", precision) if wide else (precision,)):
        path = folder / "engines" / component.name / (ONNX if computes == precision else WIDE) / "model.onnx"
        path.parent.mkdir(parents=True)
        write_onnx(
            component.module.compute_in(DTYPES[computes]),
            example,
            inputs=component.inputs,
            outputs=component.outputs,
            path=path,
        )
        if number == int(wide):
            component.module.release()  # before ONNX Runtime takes the same weights
        limit = threshold if computes == "float32" else None
        parities.append(_compare(component.name, path, cases, probes, computes, limit))
        engines.append(
            EngineEntry(
                target=ONNX,
                precision=computes,
                path=path.relative_to(folder).as_posix(),
                parity=None if parities[-1] is None else parities[-1].to_json(),
            )
        )
    tokenizer = None
    if component.tokenizer is not None:
        file = folder / "tokenizers" / component.name / "tokenizer.json"
        file.parent.mkdir(parents=True)
        file.write_bytes(component.tokenizer.text.encode())
        tokenizer = TokenizerEntry(
            path=file.relative_to(folder).as_posix(),
            max_length=component.tokenizer.max_length,
            start_id=component.tokenizer.start_id,
            end_id=component.tokenizer.end_id,
            pad_id=component.tokenizer.pad_id,
            overflow=component.tokenizer.overflow,
            vectors=component.tokenizer.vectors,
        )
    entry = ComponentEntry(
        inputs=component.inputs,
        outputs=component.outputs,
        engines=tuple(reversed(engines)),
        tokenizer=tokenizer,
        overflows=component.overflows,
    )
    return entry, parities[-1]


def _compare(
    name: str,
    path: Path,
    cases: Sequence[ReferenceRun],
    probes: Probes,
    precision: str,
    threshold: Threshold | None,
) -> Parity | None:
    """Agreement of a graph with torch; None where this machine cannot run it."""
    if precision == "bfloat16":  # ONNX Runtime's CPU kernels have none
        return None
    parity = compare_with_reference(path, cases, probes, precision, threshold)
    if not parity.passed:
        raise CheckpointError(
            f"{name} computes something else in ONNX than in torch: {parity.agreement.summary()}.",
            remedy="Export with --dtype float32; if that fails too, report it as a bug of the exporter.",
        )
    return parity


def _precision_of_plain(component: Component, plain: PlainGraph) -> str:
    """The precision of an imported graph, which is fixed; refused where its model would overflow in it."""
    if component.computes_in(plain.dtype) != plain.dtype:
        raise CheckpointError(
            f"{plain.title} is in {plain.dtype}, but the model needs float32: {component.overflows}.",
            remedy=f"Take the folder {plain.path.parent.name} from an export with Optimum's --dtype fp32.",
        )
    return plain.dtype
