"""One truth for two runtimes: what a test loads, links and proves with the Python runtime, the native one is asked too.

A test calls `latentlink.load` and `verify` as ever. The fixture `both_loaders` asks the program `latentlink_loads` the
same, and fails the test where the two differ in status, sentence, remedy or decisions. Where the native runtime was not
built, nothing is compared; LATENTLINK_NATIVE says that it has to be there, as in CI.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

import pytest

import latentlink
from latentlink.engine.bundle import Bundle
from latentlink.errors import LatentLinkError
from latentlink.runtime import Pipeline
from latentlink.runtime.probing.verify import EngineCheck, verify

PROGRAM = "tests/native/latentlink_loads"
"""The program, in the folder of the native runtime's build."""

CLOSENESS = 1e-6
"""Relative difference of decibels and shares: the engines' numbers are the same, but sums over them are not."""

LOOKED_UP = ("XDG_CACHE_HOME", "LATENTLINK_BUNDLES")
"""Variables that tests change."""

Verdict = dict[str, Any]


class Loaders:
    """The native runtime, in a process that answers a line with a line; and how many verdicts were compared."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._lock = Lock()
        self._process = self._start()
        self.compared = 0

    def _start(self) -> subprocess.Popen[bytes]:
        # tests say that there is no GPU
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
        return subprocess.Popen([self._program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def ask(self, what: str, bundle: object, options: Mapping[str, object]) -> Verdict:
        """The native runtime's verdict: `status` with `value`, or with `message` and `remedy`."""
        environment = {name: os.environ[name] for name in LOOKED_UP if name in os.environ}
        asked = {what: str(bundle), "options": options, "folder": str(Path.cwd()), "environment": environment}
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(asked, default=str).encode() + b"\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
            if not answer:
                self._process.wait()
                status, self._process = self._process.returncode, self._start()
                raise AssertionError(f"the native runtime ended with status {status} at {asked}")
        found: Verdict = json.loads(answer)
        return found

    def compare(self, what: str, bundle: object, options: Mapping[str, object], expected: Verdict) -> None:
        """Fail if the native runtime's verdict is another one."""
        self.compared += 1
        found = self.ask(what, bundle, options)
        assert _numbers_of(found) == pytest.approx(_numbers_of(expected), rel=CLOSENESS, nan_ok=True), (
            f"{what} {bundle} {options}"
        )
        assert _texts_of(found) == _texts_of(expected), f"the runtimes differ: {what} {bundle} {options}"


def start_loaders(folder: Path, *, required: bool) -> Loaders | None:
    """The program of a build folder, started; None if it is not there and need not be.

    Raises:
        FileNotFoundError: It has to be there.
    """
    program = folder / PROGRAM
    return Loaders(program) if required or program.is_file() else None


@contextmanager
def comparing(loaders: Loaders, module: ModuleType) -> Iterator[None]:
    """Let `latentlink.load`, and `verify` under the name that a test's module has for it, ask the native runtime."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latentlink, "load", _load(loaders, latentlink.load))
        if getattr(module, "verify", None) is verify:
            patch.setattr(module, "verify", _verify(loaders))
        yield


def _load(loaders: Loaders, load: Callable[..., Pipeline]) -> Callable[..., Pipeline]:
    def loaded(bundle: Any, **options: Any) -> Pipeline:
        budgets = (options.get(name) for name in ("threads", "vae_memory", "engine_memory"))
        if not all(budget is None or type(budget) is int for budget in budgets):
            return load(bundle, **options)  # C++ has no such values
        asked = {key: value for key, value in options.items() if key != "on_progress"}
        try:
            pipe = load(bundle, **options)
        except LatentLinkError as error:
            loaders.compare("load", bundle, asked, _refusal(error))
            raise
        loaders.compare("load", bundle, asked, {"status": 0, "value": _pipeline_to_json(pipe)})
        return pipe

    return loaded


def _verify(loaders: Loaders) -> Callable[..., Iterable[EngineCheck]]:
    def verified(bundle: Bundle, **options: Any) -> Iterator[EngineCheck]:
        checks = [*verify(bundle, **options)]
        loaders.compare("verify", bundle.root, options, {"status": 0, "value": [*map(_check_to_json, checks)]})
        yield from checks

    return verified


def _refusal(error: LatentLinkError) -> Verdict:
    return {"status": int(error.status), "message": error.message, "remedy": error.remedy}


def _pipeline_to_json(pipe: Pipeline) -> object:
    return {
        "decisions": [decision.to_json() for decision in pipe.decisions],
        "engines": [engine.title for engine in pipe.engines],
        "space": pipe.space.to_json(),
        "origin": pipe.origin.to_json(),
    }


def _check_to_json(check: EngineCheck) -> object:
    return {
        "component": check.component,
        "target": check.target,
        "precision": check.precision,
        "verdict": check.verdict,
        "probes": check.probes,
        "psnr": None if check.agreement is None else check.agreement.psnr,
        "reason": check.reason,
    }


def _numbers_of(value: object) -> list[float]:
    """All numbers that are not whole, in order; infinite ones are text in JSON."""
    if isinstance(value, float) or value in ("inf", "-inf", "nan"):
        return [float(value)]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [number for item in items for number in _numbers_of(item)]


def _texts_of(value: object) -> object:
    """The value without these numbers."""
    if isinstance(value, float) or value in ("inf", "-inf", "nan"):
        return "a number"
    if isinstance(value, dict):
        return {key: _texts_of(item) for key, item in value.items()}
    return [_texts_of(item) for item in value] if isinstance(value, list | tuple) else value
