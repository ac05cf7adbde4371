"""The subject of the checks of `bench.gpu`, and how they open its engines and draw with it."""

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
"""A sampler without noise after the first, so that a step needs only its row from the host."""


class CheckNotRun(LatentLinkError):
    """The check does not apply to the target, or the machine lacks the means for it."""


class CheckFailed(LatentLinkError):
    """A check failed.

    Args:
        reason: What was found and what was expected.
        figures: Measurements.
    """

    def __init__(self, reason: str, figures: Figures) -> None:
        super().__init__(reason)
        self.figures = figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A target in a precision, with the models that are checked.

    Args:
        material: Source of bundles.
        target: One of `OPENERS`.
        precision: One of `PRECISIONS`.
        models: Demo models; the first gets all checks, the others those of pictures and probes.
        pictures: Pictures per model.
        steps: Denoising steps of a picture.
    """

    material: Material
    target: str
    precision: str
    models: tuple[str, ...] = ("demo", "demo-b")
    pictures: int = 4
    steps: int = 20

    def bundle(self, model: str = "demo", *, refit: bool = False) -> Path:
        """Bundle of a model, for the target in the precision."""
        return self.material.bundle(model, self.target, self.precision, refit=refit)


@contextmanager
def open_engine(target: str, path: Path, **switches: bool) -> Iterator[Any]:
    """Open an engine alone, with switches that only GPU engines have."""
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
    """Open a bundle and draw one picture per caption; its probes are a check of their own."""
    with latentlink.load(bundle, target=target, verify=False, **settings) as pipe:
        return draw(pipe, subject)


def draw(pipe: latentlink.Pipeline, subject: Subject) -> list[NDArray[np.uint8]]:
    """Draw one picture per caption with an open bundle: uint8 `[H, W, 3]` each."""
    made = []
    for seed, scene in enumerate(held_out()[: subject.pictures]):
        made += pipe.generate(scene.caption, seed=seed, steps=subject.steps, sampler=SAMPLER).images
    return [np.asarray(picture) for picture in made]
