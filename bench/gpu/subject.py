"""What the checks of `bench.gpu` are about, and how they open its engines and draw with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import latentlink
from latentlink.bench.gpu.findings import Figures
from latentlink.bench.gpu.material import Material
from latentlink.demo.grammar import held_out
from latentlink.engine.bundle import Arrays, Bundle
from latentlink.errors import LatentLinkError
from latentlink.runtime.probing import load_probes
from latentlink.runtime.sessions import OPENERS

PRECISIONS = ("fp32", "fp16")

SAMPLER = "ddim"
"""Draws no noise after the first, so that a step needs nothing of the host but its row."""


class CheckNotRun(LatentLinkError):
    """The target has nothing that this check could check, or the machine nothing to check it with."""


class CheckFailed(LatentLinkError):
    """A promise was not kept.

    Args:
        reason: What was found and what was expected.
        figures: What was measured.
    """

    def __init__(self, reason: str, figures: Figures) -> None:
        super().__init__(reason)
        self.figures = figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is checked.

    Args:
        material: Where bundles come from.
        target: One of `OPENERS`.
        precision: One of `PRECISIONS`.
        models: Demo models; the first has all checks, the others those of pictures and probes.
        pictures: Pictures a model.
        steps: Denoising steps of a picture.
    """

    material: Material
    target: str
    precision: str
    models: tuple[str, ...] = ("demo", "demo-b")
    pictures: int = 4
    steps: int = 20

    def bundle(self, model: str = "demo", *, refit: bool = False) -> Path:
        """Of a model, for the target in the precision."""
        return self.material.bundle(model, self.target, self.precision, refit=refit)


@contextmanager
def open_engine(target: str, path: Path, **switches: bool) -> Iterator[Any]:
    """An engine alone, with switches that only engines on a GPU have."""
    session = import_module(OPENERS[target]).open_session(path, target, None, False, **switches)
    try:
        yield session
    finally:
        session.close()


def engines(root: Path) -> Iterator[tuple[str, Path, list[Arrays]]]:
    """Component, file, and golden inputs of every engine of a bundle that was built for one target."""
    bundle = Bundle.open(root)
    for component, entry in bundle.manifest.components.items():
        golden = load_probes(bundle, component, entry).probes
        yield component, bundle.file(entry.engines[0].path), [probe.inputs for probe in golden]


def open_and_draw(bundle: str | Path, target: str, subject: Subject, **settings: Any) -> list[NDArray[np.uint8]]:
    """A picture a caption."""
    with latentlink.load(bundle, target=target, **settings) as pipe:
        return draw(pipe, subject)


def draw(pipe: latentlink.Pipeline, subject: Subject) -> list[NDArray[np.uint8]]:
    """The same with an open bundle: uint8 `[H, W, 3]` each."""
    made = []
    for seed, scene in enumerate(held_out()[: subject.pictures]):
        made += pipe.generate(scene.caption, seed=seed, steps=subject.steps, sampler=SAMPLER).images
    return [np.asarray(picture) for picture in made]
