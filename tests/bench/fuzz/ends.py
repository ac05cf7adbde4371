"""A kind of input for tests of the fuzzer, which ends as its file says."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from latentlink.bench.fuzz.kinds import Kind
from latentlink.bench.fuzz.material import Material
from latentlink.bench.fuzz.mutations.mutation import Mutation
from latentlink.errors import BundleError, ExitStatus, UsageError

ENDS = ("right", "refused", "wrong status", "bug", "wrong picture", "hang", "memory", "signal")


def make(material: Material, out: Path) -> None:
    (out / "valid").mkdir()
    (out / "valid" / "end").write_text("right")


def mutate(rng: Random, case: Path) -> Mutation:
    (case / "end").write_text(end := rng.choice(ENDS))
    return Mutation(what=end, detail="by hand")


def attempt(case: Path) -> list[NDArray[np.uint8]]:
    end = (case / "end").read_text()
    grey = np.full((8, 8, 3), 128, np.uint8)
    if end == "refused":
        raise BundleError("It is damaged.")
    if end == "wrong status":
        raise UsageError("It is no argument.")
    if end == "bug":
        raise KeyError("a bug")
    if end == "hang":
        while True:
            pass
    if end == "memory":
        taken = [np.ones(1 << 22) for _ in range(100)]
        while taken:
            pass
    if end == "signal":
        os.kill(os.getpid(), signal.SIGSEGV)
    return [grey + 100 if end == "wrong picture" else grey]


def command(case: Path, number: int) -> list[str]:
    return [["--version"], ["no-such-command"]][number]


KIND = Kind(
    name="ends",
    make=(__name__, "make"),
    mutate=(__name__, "mutate"),
    attempt=(__name__, "attempt"),
    command=(__name__, "command"),
    right=frozenset({ExitStatus.DONE, ExitStatus.BUNDLE_DAMAGED}),
    seconds=1.5,
    every=1,
)
