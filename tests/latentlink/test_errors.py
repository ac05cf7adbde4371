"""Errors cross from one process to another with all that they carry."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from typing import Any

import pytest

import latentlink
from latentlink.errors import GuardError, LatentLinkError
from tests.house import FOLDERS, ROOT, sources

SAMPLES: dict[str, Any] = {"numbers": {"rms": 9.5}, "figures": {"seconds": 1.5}, "unusual": {"guidance": 1000.0}}
"""Values of arguments that are no text."""


def kinds(base: type[LatentLinkError]) -> Iterator[type[LatentLinkError]]:
    yield base
    for kind in base.__subclasses__():
        yield from kinds(kind)


def sample(kind: type[LatentLinkError]) -> LatentLinkError:
    """An error of a kind, with a value of its own for every argument."""
    parameters = inspect.signature(kind.__init__).parameters.values()
    values = {one.name: SAMPLES.get(one.name, f"{one.name} [1]") for one in parameters if one.name != "self"}
    error = kind(**values)
    error.add_note("a note")
    return error


def content(error: LatentLinkError) -> tuple[object, ...]:
    return type(error), str(error), error.args, vars(error), error.status


@pytest.fixture(scope="module")
def every_kind() -> set[type[LatentLinkError]]:
    """All errors of the package, whatever module they are in."""
    for path in (path for folder in FOLDERS for path in sources(folder)):
        if re.search(r"^class \w+\(.*Error\b", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE):
            parts = path.with_suffix("").parts
            import_module(".".join(parts if parts[0] == "latentlink" else ("latentlink", *parts)))
    return {kind for kind in kinds(LatentLinkError) if kind.__module__.startswith("latentlink.")}


def test_every_error_survives_pickle_and_copy(every_kind: set[type[LatentLinkError]]) -> None:
    assert len(every_kind) > 15
    for kind in every_kind:
        error = sample(kind)
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            assert content(pickle.loads(pickle.dumps(error, protocol))) == content(error), kind
        assert content(copy.copy(error)) == content(copy.deepcopy(error)) == content(error), kind


def fail() -> None:
    """Raise what a broken request raises."""
    with latentlink.load("demo", threads=1) as pipe:
        pipe.generate("a red circle", seed=1, steps=20, guidance=7.5, sampler="lms")  # diverges


def test_a_guard_error_comes_out_of_a_pool_of_processes() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        with pytest.raises(GuardError) as caught:
            pool.submit(fail).result()
        assert caught.value.stage == "denoiser"
        assert caught.value.numbers
        assert str(caught.value) == f"{caught.value.message} {caught.value.cause} {caught.value.remedy}".strip()
        assert pool.submit(int, "7").result() == 7  # the pool still works
