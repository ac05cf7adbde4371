"""Export to bundle: every component compiled for every target asked."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TypeAlias

from latentlink.engine.agreement import Agreement
from latentlink.engine.bundle import Bundle, is_bundle, write_bundle
from latentlink.engine.files import replacing_directory
from latentlink.engine.fingerprint import make_fingerprint
from latentlink.engine.manifest import ComponentEntry, EngineEntry, Manifest
from latentlink.engine.probes import Arrays, Probes, Run
from latentlink.errors import BundleError, UsageError
from latentlink.spaces import digest

Range: TypeAlias = tuple[int, int, int]
"""Smallest, best and largest size. Equal ones make it fixed."""

BUILDERS: Mapping[str, str] = {"ort-cpu": "latentlink.engine.ort_cpu"}
"""Module of each target; it has `build_engine(source, out, fixed) -> facts`, `open_engine(path) -> Run` and `FILE`."""

REFERENCE = "latentlink.engine.ort_cpu"
"""Opens the exported graph, where an engine's sizes need references of their own."""

FITTED = 2
"""Probes made for an engine whose sizes none of the export's fits: a picture of full size may take a minute each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """Sizes that the engines are built for; None leaves a dimension free.

    Args:
        width: Picture width in pixels.
        height: Picture height in pixels.
        batch: Pictures a batch.
    """

    width: Range | None = None
    height: Range | None = None
    batch: Range | None = None


def parse_range(text: str) -> Range:
    """`512` or `256:512:1024`.

    Raises:
        UsageError: It is neither, or not in order.
    """
    parts = text.split(":")
    if len(parts) in (1, 3) and all(part.isdigit() and int(part) > 0 for part in parts):
        low, best, high = (int(part) for part in (parts * 3 if len(parts) == 1 else parts))
        if low <= best <= high:
            return low, best, high
    raise UsageError(f"{text!r} is not a size: expected a number (512) or smallest:best:largest (256:512:1024).")


def build_bundle(
    exported: str | Path,
    out: str | Path,
    *,
    targets: Sequence[str] = ("ort-cpu",),
    shapes: Shapes | None = None,
    on_engine: Callable[[int, int, str], None] | None = None,
) -> Manifest:
    """Compile an export.

    Args:
        exported: Directory that `latentlink export` wrote.
        out: Bundle to make; an earlier one there is replaced when the new one is whole.
        targets: Targets to compile every component for.
        shapes: Sizes to compile for.
        on_engine: Called with (number, count, title) before each engine.

    Raises:
        UsageError: An argument is wrong, or `exported` is not an export.
        BundleError: The export is damaged, or no engine of a component agrees with its probes.
    """
    for target in targets:
        if target not in BUILDERS:
            raise UsageError(f"Unknown target {target!r}; expected one of: {', '.join(BUILDERS)}.")
    source = Bundle.open(exported)
    if source.manifest.kind != "export":
        raise UsageError(f"{str(exported)!r} is a bundle already; expected an export, from latentlink export.")
    shapes = shapes or Shapes()
    work = [
        (name, target, graph)
        for name, entry in source.manifest.components.items()
        for target in targets
        for graph in entry.engines
    ]
    with replacing_directory(Path(out), is_ours=is_bundle) as folder:
        engines: dict[str, list[EngineEntry]] = {name: [] for name in source.manifest.components}
        failed: dict[str, str] = {}
        probes = _copy_probes(source, shapes, folder)
        for number, (name, target, graph) in enumerate(work):
            if on_engine:
                on_engine(number, len(work), f"{name} for {target}")
            engine = _build(source, name, target, graph, shapes, folder)
            agreed = None if name not in probes else _check(folder / engine.path, engine, probes[name])
            if agreed is None or agreed.passed:
                engines[name].append(engine if agreed is None else _measured(engine, agreed, probes[name].reference))
                continue
            failed[f"left_out.{name}.{target}.{engine.precision}"] = agreed.said()
            shutil.rmtree((folder / engine.path).parent)
        components = {}
        for name, entry in source.manifest.components.items():
            if not engines[name]:
                raise BundleError(
                    f"No engine built of {name} computes what its probes say: "
                    f"{'; '.join(text for key, text in failed.items() if key.startswith(f'left_out.{name}.'))}.",
                    remedy="Export it again; if that does not help, it is a fault of the builder: report it.",
                )
            components[name] = replace(entry, engines=tuple(engines[name]))
            if entry.tokenizer is not None:
                file = folder / entry.tokenizer.path
                file.parent.mkdir(parents=True)
                shutil.copyfile(source.file(entry.tokenizer.path), file)
        return write_bundle(
            folder,
            replace(
                source.manifest,
                kind="bundle",
                components=components,
                provenance={**source.manifest.provenance, **failed},
                files={},
            ),
        )


def _measured(engine: EngineEntry, agreed: Agreement, reference: str) -> EngineEntry:
    """The engine with its own figures, where they are from the reference that the export's are from."""
    same = engine.parity is None or engine.parity["reference"] == reference
    return replace(engine, parity=agreed.to_json(reference)) if same else engine


def _copy_probes(source: Bundle, shapes: Shapes, folder: Path) -> dict[str, Probes]:
    """Take the export's probes over, those of built components fitted to the sizes that they are built for."""
    taken = {}
    for name, path in source.manifest.probes.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        entry = source.manifest.components.get(name)
        if entry is None:
            shutil.copyfile(source.file(path), file)
            continue
        graph = entry.engines[-1]  # the widest one
        taken[name] = Probes.load(source.file(path), entry.inputs, entry.outputs).fitted(
            _limits(entry, shapes, source.manifest.sampling.size_multiple),
            entry.inputs,
            partial(_run_graph, source.file(graph.path)),
            FITTED,
        )
        taken[name].save(file)
    return taken


def _run_graph(path: Path, inputs: Arrays) -> Arrays:
    """Run an exported graph once: it is opened only where a reference has to be made."""
    run: Run = import_module(REFERENCE).open_engine(path)
    return run(inputs)


def _check(path: Path, engine: EngineEntry, probes: Probes) -> Agreement:
    """Run an engine that was just built on its probes."""
    run: Run = import_module(BUILDERS[engine.target]).open_engine(path)
    return probes.check(run, engine.precision)


def _build(source: Bundle, name: str, target: str, graph: EngineEntry, shapes: Shapes, folder: Path) -> EngineEntry:
    entry = source.manifest.components[name]
    limits = _limits(entry, shapes, source.manifest.sampling.size_multiple)
    builder = import_module(BUILDERS[target])
    first = graph is entry.engines[0]
    path = folder / "engines" / name / (target if first else f"{target}-{graph.precision}") / builder.FILE
    path.parent.mkdir(parents=True)
    fixed = {dim: low for dim, (low, _, high) in limits.items() if low == high}
    facts = builder.build_engine(source.file(graph.path), path, fixed)
    inside = Path(graph.path).parent
    weights = {str(p): f.sha256 for p, f in source.manifest.files.items() if Path(p).parent == inside}
    return EngineEntry(
        target=target,
        precision=graph.precision,
        path=path.relative_to(folder).as_posix(),
        fingerprint=make_fingerprint(
            target=target,
            facts={
                **facts,
                "source": digest(weights),
                "ports": digest({"ports": [port.tensor for port in (*entry.inputs, *entry.outputs)]}),
                "precision": graph.precision,
                "limits": digest({dim: list(sizes) for dim, sizes in limits.items()}),
            },
        ),
        limits=limits,
        parity=graph.parity,
    )


def _limits(entry: ComponentEntry, shapes: Shapes, multiple: int) -> dict[str, Range]:
    """Sizes of the component's free dimensions that follow from the picture's.

    Batch limits the denoiser alone: prompts are encoded and pictures decoded as many at a time as it suits.
    """
    ports = (*entry.inputs, *entry.outputs)
    free = {dim for port in ports for dim in port.shape if isinstance(dim, str)}
    downscale = next((port.size("f") for port in ports if port.kind == "latent"), 1)
    limits: dict[str, Range] = {}
    for (pixels, latent), sizes in ((("W", "w"), shapes.width), (("H", "h"), shapes.height)):
        if sizes is None:
            continue
        if any(size % multiple for size in sizes):
            raise UsageError(
                f"{':'.join(map(str, sizes))} is not a size for this model: expected multiples of {multiple}."
            )
        limits[pixels] = sizes
        low, best, high = (size // downscale for size in sizes)
        limits[latent] = (low, best, high)
    if shapes.batch is not None and any(port.kind == "coefficients" for port in entry.inputs):
        low, best, high = shapes.batch
        limits["B"] = shapes.batch
        limits["N"] = (low, 2 * best, 2 * high)
    return {dim: sizes for dim, sizes in limits.items() if dim in free}
