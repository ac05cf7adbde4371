"""The graphs that engines are built from: as they were exported, or converted to another precision."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from latentlink.engine.bundle import Bundle, ComponentEntry, EngineEntry
from latentlink.engine.precision import PRECISIONS, Report, convert
from latentlink.engine.quality import MIXED, QUANTISED, Quality, is_quantised, mixed
from latentlink.engine.targets import TARGETS
from latentlink.errors import BundleError
from latentlink.spaces import digest

CONVERTED = "model.onnx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """One graph of a component.

    Args:
        path: ONNX; its weights may lie beside it.
        precision: What it computes in.
        parity: How it compares with torch, or None where it was not compared.
        source: Digest of the exported files that it is, or was made from.
        converted: Whether it is not the one that was exported.
    """

    path: Path
    precision: str
    parity: Mapping[str, str | float] | None
    source: str
    converted: bool = False


OnReport = Callable[[str, Report], None]
"""Told a component's name and what its conversion kept in float32."""


def graphs_of(source: Bundle, name: str, precision: str | None, scratch: Path, on_report: OnReport) -> Iterator[Graph]:
    """The graphs of a component, the preferred one first.

    The first is converted where another precision is asked for; those after it are there because they compute in a
    wider one, and are taken over as they are.

    Args:
        source: The export.
        name: The component.
        precision: A key of `PRECISIONS`, or of `QUANTISED` or `MIXED` for components that were calibrated to it; None
            for what was exported.
        scratch: An empty folder of its own for what is converted.
        on_report: Told what a conversion kept.
    """
    entry = source.manifest.components[name]
    asked = precision_of(entry, precision)
    if is_quantised(asked):
        products, _, _ = asked.partition("+")
        graph = _exported(source, next(engine for engine in entry.engines if engine.precision == products))
        yield replace(graph, precision=asked)  # by itself: what it was measured against would take four times its size
        return
    wanted = None if precision is None or precision in QUANTISED else asked
    if wanted == "float16" and entry.overflows:
        wanted = "float32"
        on_report(name, Report(precision=wanted, instead=entry.overflows))
    written = set()
    for number, engine in enumerate(engine for engine in entry.engines if not is_quantised(engine.precision)):
        if number == 0 and wanted not in (None, engine.precision):
            graph = _converted(source, engine, str(wanted), scratch, lambda report: on_report(name, report))
        else:
            graph = _exported(source, engine)
        if graph.precision not in written:
            written.add(graph.precision)
            yield graph


def check_links(source: Bundle) -> None:
    """Refuse an export whose weights have a second name on the disk: what reads graphs takes it for an attack.

    Raises:
        BundleError: One has.
    """
    for path in sorted(source.manifest.files):
        names = source.file(path).stat().st_nlink
        if path.startswith("engines/") and names > 1:
            raise BundleError(
                f"{path} of the export {str(source.root)!r} has {names} names on the disk (hard links); expected one, "
                "as it could be any file of this machine.",
                remedy="Copy the export without links: cp -r EXPORTED COPY.",
            )


def precision_of(entry: ComponentEntry, precision: str | None) -> str:
    """What a component's first graph computes in, as manifests name it, where a precision is asked for.

    Args:
        entry: The component, of an export.
        precision: As for `graphs_of`.
    """
    exported = [engine.precision for engine in entry.engines]
    if precision is None:
        return exported[0]
    if precision in PRECISIONS:
        return PRECISIONS[precision]
    products, rest = MIXED.get(precision, (QUANTISED.get(precision), None))
    if products in exported:
        return products if rest is None else mixed(products, rest)
    return rest or next(name for name in exported if not is_quantised(name))


def wide_graph(source: Bundle, name: str, scratch: Path) -> Graph:
    """The widest graph of a component, in a precision that ONNX Runtime computes in on any processor.

    Args:
        source: The export.
        name: The component.
        scratch: An empty folder of its own for what is converted.
    """
    engine = source.manifest.components[name].engines[-1]
    if engine.precision not in TARGETS["ort-cpu"].lacks:
        return _exported(source, engine)
    return _converted(source, engine, "float32", scratch, lambda report: None)


def _exported(source: Bundle, engine: EngineEntry) -> Graph:
    return Graph(
        path=source.file(engine.path),
        precision=engine.precision,
        parity=engine.parity,
        source=_source(source, engine),
    )


def _converted(
    source: Bundle, engine: EngineEntry, precision: str, scratch: Path, on_report: Callable[[Report], None]
) -> Graph:
    import onnx_ir as ir

    model = ir.load(source.file(engine.path))
    on_report(convert(model, precision))
    scratch.mkdir(parents=True)
    path = scratch / CONVERTED
    ir.save(model, path, external_data=f"{CONVERTED}.data")
    return Graph(path=path, precision=precision, parity=None, source=_source(source, engine), converted=True)


def _source(source: Bundle, engine: EngineEntry) -> str:
    inside = Path(engine.path).parent
    files = {path: file.sha256 for path, file in source.manifest.files.items() if Path(path).parent == inside}
    return digest(files)


def check_gate(component: str, precision: str, parity: Mapping[str, str | float] | None) -> None:
    """Let no quantised graph in whose pictures are not known to be good enough.

    Args:
        component: Its name.
        precision: What the graph computes in.
        parity: Its figures.

    Raises:
        BundleError: It has none of its pictures, or they are below the gate.
    """
    if not is_quantised(precision):
        return
    quality = Quality.of_parity(parity)
    if quality is None or quality.missed():
        found = "has no figures of its pictures" if quality is None else f"does not reach the gate: {quality.missed()}"
        raise BundleError(
            f"The {precision} graph of {component} {found}.",
            remedy="Calibrate the export again (latentlink calibrate), or build it in another precision.",
        )
