"""The graphs that engines are built from: as exported, or converted to another precision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from latentlink.engine.bundle import Bundle, ComponentEntry, EngineEntry
from latentlink.engine.precision import PRECISIONS, ConversionReport, convert
from latentlink.engine.quality import (
    MIXED_PRECISIONS,
    QUANTISED_PRECISIONS,
    Quality,
    is_quantised,
    mixed_precision,
)
from latentlink.engine.targets import REFERENCE_TARGET, TARGETS
from latentlink.errors import BundleError
from latentlink.spaces import digest

MODEL = "model.onnx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """One graph of a component.

    Args:
        path: ONNX file; its weights may be beside it.
        precision: What it computes in.
        parity: How it compares with torch; None if it was not compared.
        source: Digest of the exported files that it is, or was made from.
        converted: Whether it was converted, not exported.
        conversion: What the conversion kept in float32, or why there was none; None if none was asked for.
    """

    path: Path
    precision: str
    parity: Mapping[str, str | float] | None
    source: str
    converted: bool = False
    conversion: ConversionReport | None = None


def graphs_of(source: Bundle, name: str, precision: str | None, scratch: Path) -> Iterator[Graph]:
    """The graphs of a component, the preferred one first.

    The first one is converted if the user asks for another precision. The others compute in wider precisions, and are
    taken as exported.

    Args:
        source: The export.
        name: The component.
        precision: A key of `PRECISIONS`; or of `QUANTISED_PRECISIONS` or `MIXED_PRECISIONS`, for components that were
            calibrated to it; None for the exported precision.
        scratch: Directory to make for the converted graph.
    """
    entry = source.manifest.components[name]
    chosen = precision_of(entry, precision)
    if is_quantised(chosen):
        products, _, _ = chosen.partition("+")
        graph = _exported_graph(source, next(engine for engine in entry.engines if engine.precision == products))
        yield replace(graph, precision=chosen)  # alone: the graph that it was compared with is four times its size
        return
    wanted = None if precision is None or precision in QUANTISED_PRECISIONS else chosen
    report = None
    if wanted == "float16" and entry.overflows:
        wanted = "float32"
        report = ConversionReport(precision=wanted, instead=entry.overflows)
    precisions = set()
    for number, engine in enumerate(engine for engine in entry.engines if not is_quantised(engine.precision)):
        if number == 0 and wanted not in (None, engine.precision):
            graph = _convert_graph(source, engine, str(wanted), scratch)
        else:
            graph = _exported_graph(source, engine)
            graph = replace(graph, conversion=report) if number == 0 else graph
        if graph.precision not in precisions:
            precisions.add(graph.precision)
            yield graph


def precision_of(entry: ComponentEntry, precision: str | None) -> str:
    """The manifest's name of the precision of a component's first graph.

    Args:
        entry: The component of an export.
        precision: What the user asks for, as in `graphs_of`.
    """
    exported = [engine.precision for engine in entry.engines]
    if precision is None:
        return exported[0]
    if precision in PRECISIONS:
        return PRECISIONS[precision]
    products, rest = MIXED_PRECISIONS.get(precision, (QUANTISED_PRECISIONS.get(precision), None))
    if products in exported:
        return products if rest is None else mixed_precision(products, rest)
    return rest or next(name for name in exported if not is_quantised(name))


def reference_graph(source: Bundle, name: str, scratch: Path) -> Graph:
    """The widest graph of a component, in a precision that the reference target computes in.

    Args:
        source: The export.
        name: The component.
        scratch: Directory to make for the converted graph.
    """
    engine = source.manifest.components[name].engines[-1]
    if engine.precision not in TARGETS[REFERENCE_TARGET].lacks:
        return _exported_graph(source, engine)
    return _convert_graph(source, engine, "float32", scratch)


def _exported_graph(source: Bundle, engine: EngineEntry) -> Graph:
    return Graph(
        path=source.file(engine.path),
        precision=engine.precision,
        parity=engine.parity,
        source=_source_digest(source, engine),
    )


def _convert_graph(source: Bundle, engine: EngineEntry, precision: str, scratch: Path) -> Graph:
    import onnx_ir as ir

    model = ir.load(source.file(engine.path))
    report = convert(model, precision)
    scratch.mkdir(parents=True)
    path = scratch / MODEL
    ir.save(model, path, external_data=f"{MODEL}.data")
    return Graph(
        path=path,
        precision=precision,
        parity=None,
        source=_source_digest(source, engine),
        converted=True,
        conversion=report,
    )


def _source_digest(source: Bundle, engine: EngineEntry) -> str:
    folder = Path(engine.path).parent
    files = {path: file.sha256 for path, file in source.manifest.files.items() if Path(path).parent == folder}
    return digest(files)


def check_links(source: Bundle) -> None:
    """Refuse an export whose weights are hard links, which readers of graphs treat as an attack.

    Raises:
        BundleError: A file has more than one name on the disk.
    """
    for path in sorted(source.manifest.files):
        names = source.file(path).stat().st_nlink
        if path.startswith("engines/") and names > 1:
            raise BundleError(
                f"{path} of the export {str(source.root)!r} has {names} names on the disk (hard links); expected one, "
                "as it could be any file of this machine.",
                remedy="Copy the export without links: cp -r EXPORTED COPY.",
            )


def check_gate(component: str, precision: str, parity: Mapping[str, str | float] | None) -> None:
    """Refuse a quantised graph unless its pictures are known to reach the gate.

    Args:
        component: Its name.
        precision: What the graph computes in.
        parity: Its figures.

    Raises:
        BundleError: It has no figures of its pictures, or they are below the gate.
    """
    if not is_quantised(precision):
        return
    quality = Quality.of_parity(parity)
    if quality is None or not quality.passes:
        problem = (
            "has no figures of picture quality"
            if quality is None
            else f"does not reach the gate: {quality.shortfall_summary()}"
        )
        raise BundleError(
            f"The {precision} graph of {component} {problem}.",
            remedy="Calibrate the export again (latentlink calibrate), or build it in another precision.",
        )
