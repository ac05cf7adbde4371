"""Progress of a TensorRT build: nested phases with known numbers of steps, as one share of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

from latentlink.engine.builders.job import OnPhase


@dataclass(slots=True)
class _Phase:
    parent: str | None
    steps: int
    done: int = 0


class Phases:
    """The open phases. Thread-safe: builders report from several threads.

    Args:
        on_phase: Called with the names of the outermost and the innermost phase, and the share of the outermost one.
    """

    def __init__(self, on_phase: OnPhase) -> None:
        self._on_phase = on_phase
        self._open: dict[str, _Phase] = {}
        self._lock = Lock()

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """A phase of `steps` steps begins, within a step of `parent`."""
        with self._lock:
            self._open[name] = _Phase(parent=parent, steps=max(steps, 1))
        self._report(name)

    def step(self, name: str, step: int) -> None:
        """Step number `step` of a phase, counted from 0, is done."""
        with self._lock:
            if name in self._open:
                self._open[name].done = min(step + 1, self._open[name].steps)
        self._report(name)

    def finish(self, name: str) -> None:
        """A phase is over."""
        with self._lock:
            self._open.pop(name, None)

    def _report(self, name: str) -> None:
        with self._lock:
            if name not in self._open:
                return
            share, outer = 0.0, name
            while True:
                phase = self._open[outer]
                # the phases inside the current step count as a part of it
                share = min((phase.done + share) / phase.steps, 1.0)
                if phase.parent is None or phase.parent not in self._open:
                    break
                outer = phase.parent
        self._on_phase(outer if outer == name else f"{outer}: {name}", share)
