"""From the request for a flow-matching model to a plan."""

from __future__ import annotations

from math import isfinite

from latentlink.runtime.samplers.flow_registry import FLOW_SAMPLERS
from latentlink.runtime.samplers.schedules.flow_schedule import FlowSchedule
from latentlink.runtime.samplers.schedules.flow_spacing import FlowGridRequest
from latentlink.runtime.samplers.schedules.refusal import one_of, refusal
from latentlink.runtime.samplers.solvers.plan import Plan


def flow_plan(
    sampler: str,
    training: FlowSchedule,
    *,
    steps: int,
    sigmas: str | None,
    shift: float | None,
    width: int | None,
    height: int | None,
) -> Plan:
    """The plan of a whole run.

    Args:
        sampler: A key of `FLOW_SAMPLERS`.
        training: The schedule that the denoiser was trained with.
        steps: Number of steps, 1 to T.
        sigmas: A key of `SIGMAS`, or None.
        shift: See `sampler_table`.
        width: Picture width in pixels, or None.
        height: Picture height in pixels, or None.

    Raises:
        UsageError: A name is unknown, a value is out of range, or the combination is not possible.
    """
    named = FLOW_SAMPLERS[sampler]
    if sigmas is not None:
        one_of(sigmas, named.sigmas, what="sigmas", whose=f" for sampler {sampler!r} with a flow-matching model")
    elif training.sigmas in named.sigmas:
        sigmas = training.sigmas
    dynamic = training.use_dynamic_shifting and shift is None
    grid = named.grid(
        FlowGridRequest(
            steps=steps,
            T=training.num_train_timesteps,
            shift=training.dynamic_shift(width, height) if dynamic else _static_shift(training, shift),
            dynamic=dynamic,
            uniform=training.sigma_grid == "uniform",
            terminal=training.shift_terminal,
            sigmas=sigmas,
        )
    )
    return Plan(timesteps=grid.timesteps, sigmas=grid.sigmas, prediction=training.prediction_type)


def _static_shift(training: FlowSchedule, shift: float | None) -> float:
    if shift is None:
        return training.shift
    if isinstance(shift, bool) or not isinstance(shift, int | float) or not (isfinite(shift) and 0 < shift <= 1000):
        raise refusal(f"shift {shift!r}", "a number above 0 and at most 1000", "1 to 6 are usual.")
    return float(shift)
