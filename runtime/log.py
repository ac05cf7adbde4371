"""What loading and calls tell the logger `latentlink`; rooms tell what happens in them. No prompt is ever logged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import wraps
from time import perf_counter
from typing import Any, TypeVar, cast

from latentlink.runtime.linking import Decision
from latentlink.runtime.result import Result

_LOG = logging.getLogger(__name__)

_F = TypeVar("_F", bound=Callable[..., Any])


def log_decisions(decisions: Sequence[Decision]) -> None:
    """Warn of engines that were skipped, and of nodes of GPU engines that run on the CPU."""
    for one in decisions:
        title = f"{one.component} of {one.bundle}"
        for skipped in one.skipped:
            _LOG.warning("%s: the engine for %s was skipped: %s. %s", title, skipped.target, skipped, skipped.remedy)
        if one.placement:
            # ONNX Runtime placed the nodes, so it is imported already
            from latentlink.engine.targets.ort_providers import CPU

            if nodes := one.placement.get(CPU):
                total = sum(one.placement.values())
                _LOG.warning("%s: %d of %d nodes of its %s engine run on the CPU", title, nodes, total, one.target)


def logged(method: _F) -> _F:
    """Write one line for each call of a pipeline's method that ends well: its name and its seconds."""

    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        began = perf_counter()
        made = method(self, *args, **kwargs)
        _LOG.debug("%s: %s took %.3f s", self.name, method.__name__, perf_counter() - began)
        return made

    return cast(_F, call)


def log_result(name: str, result: Result) -> None:
    """Write one line for a generation, and warn of a step cache whose effect on quality was not measured."""
    stages = "".join(f", {stage} {seconds:.3f}" for stage, seconds in result.timings.items() if stage != "total")
    _LOG.debug("%s: generate took %.3f s%s", name, result.timings["total"], stages)
    if (cache := result.unmeasured_cache) is None:
        return
    known = "was not measured on this model"
    if cache.measured_steps is not None:
        known = f"was measured with {cache.measured_steps} steps, and is larger with {result.request.steps}"
    _LOG.warning("%s: the effect of step_cache %d on the pictures %s", name, cache.every, known)
