"""The probes of a bundle: those of its export, fitted to the sizes that its engines are built for."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from latentlink.engine.builders import open_on_cpu
from latentlink.engine.bundle import Bundle, Probe, Probes, Run
from latentlink.engine.graphs import wide_graph
from latentlink.engine.sizes import Shapes, limits_of
from latentlink.engine.targets import TARGETS

FITTED = 2
"""Probes made for an engine whose sizes none of the export's fits: a picture of full size may take a minute each."""


def take_probes(source: Bundle, folder: Path, targets: Sequence[str], shapes: Shapes) -> dict[str, Probes]:
    """Write an export's probes into a bundle, those of built components fitted to the sizes that they are built for.

    Args:
        source: The export.
        folder: Of the bundle; it has room for what is interim in `scratch`.
        targets: Keys of `TARGETS`.
        shapes: Sizes to build for.

    Returns:
        By component.
    """
    taken = {}
    for name, path in source.manifest.probes.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        entry = source.manifest.components.get(name)
        if entry is None:
            shutil.copyfile(source.file(path), file)
            continue
        loaded = pool = Probes.load(source.file(path), entry.inputs, entry.outputs)
        kept: dict[str, Probe] = {}
        with ExitStack() as stack:
            reference = _opened_once(partial(_reference, source, name, folder / "scratch", stack))
            # limits of every dimension first: what is made for them is within the others too
            for every in sorted({TARGETS[target].profiles for target in targets}, reverse=True):
                limits = limits_of(source.manifest, name, shapes, every=every)
                fitted = pool.fitted(limits, entry.inputs, reference, FITTED)
                kept |= {probe.name: probe for probe in fitted.probes}
                pool = replace(loaded, probes=tuple(dict.fromkeys((*loaded.probes, *kept.values()))))
        probes = tuple(kept.values())
        taken[name] = replace(loaded, probes=probes) if {*probes} & {*loaded.probes} else fitted
        taken[name].save(file)
    return taken


def _reference(source: Bundle, name: str, scratch: Path, stack: ExitStack) -> Run:
    """A component's widest graph, open until the stack is; only where a probe of another size has to be made."""
    stack.callback(shutil.rmtree, scratch, ignore_errors=True)
    graph = wide_graph(source, name, scratch / name)
    return stack.enter_context(open_on_cpu(graph.path, "ort-cpu"))


def _opened_once(opening: Callable[[], Run]) -> Run:
    """Runs what is opened when it first runs."""
    opened = cache(opening)
    return lambda inputs: opened()(inputs)
