"""How far a build is: nested phases of known numbers of steps, as TensorRT tells them, to one share of the whole."""

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
    """Phases that are open. Thread-safe: builders report from several threads.

    Args:
        told: Called with the outermost phase, the innermost one after a colon, and the outermost one's share.
    """

    def __init__(self, told: OnPhase) -> None:
        self._told = told
        self._open: dict[str, _Phase] = {}
        self._lock = Lock()

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """A phase of `steps` steps begins, within one step of `parent`."""
        with self._lock:
            self._open[name] = _Phase(parent=parent, steps=max(steps, 1))
        self._tell(name)

    def step(self, name: str, step: int) -> None:
        """Step number `step` of a phase, counted from 0, is done."""
        with self._lock:
            if name in self._open:
                self._open[name].done = min(step + 1, self._open[name].steps)
        self._tell(name)

    def finish(self, name: str) -> None:
        """A phase is over."""
        with self._lock:
            self._open.pop(name, None)

    def _tell(self, name: str) -> None:
        with self._lock:
            if name not in self._open:
                return
            share, outer = 0.0, name
            while True:
                phase = self._open[outer]
                # the phases within the step under way count as a part of it
                share = min((phase.done + share) / phase.steps, 1.0)
                if phase.parent is None or phase.parent not in self._open:
                    break
                outer = phase.parent
        self._told(outer if outer == name else f"{outer}: {name}", share)
