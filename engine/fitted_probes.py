"""The probes of a bundle: those of the export, fitted to the sizes that the engines are built for."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from latentlink.engine.builders import open_on_cpu
from latentlink.engine.bundle import Bundle, Probe, Probes, RunEngine, read_probes, write_probes
from latentlink.engine.graphs import reference_graph
from latentlink.engine.sizes import PictureSizes, limits_of
from latentlink.engine.targets import REFERENCE_TARGET, TARGETS

COUNT = 2
"""Probes to make for an engine whose sizes fit none of the export's: at full picture size one may take a minute."""


def write_fitted_probes(source: Bundle, folder: Path, targets: Sequence[str], sizes: PictureSizes) -> dict[str, Probes]:
    """Write an export's probes into a bundle; those of built components are fitted to the built sizes.

    Args:
        source: The export.
        folder: Directory of the bundle; intermediate files go to its `scratch`.
        targets: Keys of `TARGETS`.
        sizes: Picture sizes and batch to build for.

    Returns:
        Probes by component.
    """
    all_probes = {}
    for name, path in source.manifest.probes.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        entry = source.manifest.components.get(name)
        if entry is None:
            shutil.copyfile(source.file(path), file)
            continue
        exported = pool = read_probes(source.file(path), entry.inputs, entry.outputs)
        chosen: dict[str, Probe] = {}
        with ExitStack() as stack:
            reference = _open_once(partial(_open_reference, source, name, folder / "scratch", stack))
            # limits of every dimension first: probes made for them fit the other engines too
            for every in sorted({TARGETS[target].profiles for target in targets}, reverse=True):
                limits = limits_of(source.manifest, name, sizes, every=every)
                fitted = pool.fit(limits, entry.inputs, reference, COUNT)
                chosen |= {probe.name: probe for probe in fitted.probes}
                pool = replace(exported, probes=tuple(dict.fromkeys((*exported.probes, *chosen.values()))))
        probes = tuple(chosen.values())
        all_probes[name] = replace(exported, probes=probes) if {*probes} & {*exported.probes} else fitted
        write_probes(file, all_probes[name])
    return all_probes


def _open_reference(source: Bundle, name: str, scratch: Path, stack: ExitStack) -> RunEngine:
    """Open a component's widest graph until the stack closes. Needed only to make probes of another size."""
    stack.callback(shutil.rmtree, scratch, ignore_errors=True)
    graph = reference_graph(source, name, scratch / name)
    return stack.enter_context(open_on_cpu(graph.path, REFERENCE_TARGET))


def _open_once(open_engine: Callable[[], RunEngine]) -> RunEngine:
    """An engine that is opened at its first run."""
    cached = cache(open_engine)
    return lambda inputs: cached()(inputs)
