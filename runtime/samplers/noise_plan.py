"""From the request for a model with a noise schedule to a plan."""

from __future__ import annotations

import numpy as np

from latentlink.runtime.samplers.registry import SAMPLERS, Sampler
from latentlink.runtime.samplers.schedules.refusal import one_of, refusal
from latentlink.runtime.samplers.schedules.spacing import GridRequest
from latentlink.runtime.samplers.schedules.training import TrainingSchedule
from latentlink.runtime.samplers.solvers.plan import NoisePlan

# The schedule that published consistency models were distilled on, and the scaling of their boundary condition.
ORIGINAL_STEPS = 50
TIMESTEP_SCALING = 10.0


def noise_plan(
    sampler: str,
    training: TrainingSchedule,
    *,
    steps: int,
    spacing: str | None,
    sigmas: str | None,
    eta: float | None,
) -> NoisePlan:
    """The plan of a whole run.

    Args:
        sampler: A key of `SAMPLERS`.
        training: The schedule that the denoiser was trained with.
        steps: Number of steps, 1 to T.
        spacing: See `sampler_table`.
        sigmas: A key of `SIGMAS`, or None.
        eta: Amount of fresh noise, 0 to 1, or None.

    Raises:
        UsageError: A name is unknown, a value is out of range, or the combination is not possible.
    """
    named = SAMPLERS[sampler]
    if sigmas is not None:
        one_of(sigmas, named.sigmas, what="sigmas", whose=f" for sampler {sampler!r}")
    elif training.sigmas in named.sigmas:
        sigmas = training.sigmas
    levels = training.levels(named.zero_snr)
    floored = named.floors_cosine and training.beta_schedule == "squaredcos_cap_v2"
    request = GridRequest(
        steps=steps,
        spacing=_spacing(sampler, named, training, spacing),
        offset=training.steps_offset or 0,
        sigmas=sigmas,
        rounding={**named.rounding, "karras": np.floor} if floored else named.rounding,
        final=(None if named.ends_at_is_fixed else training.final_sigmas_type) or named.ends_at,
        original_steps=training.original_inference_steps or ORIGINAL_STEPS,
    )
    grid = named.grid(levels, request)
    if not np.isfinite(grid.sigmas[0]) and training.prediction_type == "epsilon":
        raise refusal(
            f"sampler {sampler!r} from timestep {grid.timesteps[0]:g}, which is pure noise, with a model that "
            "predicts epsilon",
            "a prediction that says something about the picture there",
            "Use spacing 'leading', or sampler 'euler'.",
        )
    ends_at_one = named.ends_at_one if training.set_alpha_to_one is None else training.set_alpha_to_one
    return NoisePlan(
        timesteps=grid.timesteps,
        sigmas=grid.sigmas,
        levels=levels,
        final_alpha_bar=1.0 if ends_at_one else float(levels.alpha_bar[0]),
        stride=training.num_train_timesteps // steps,
        prediction=training.prediction_type,
        eta=_eta(sampler, named, eta),
        timestep_scaling=training.timestep_scaling or TIMESTEP_SCALING,
    )


def start_scale(sampler: str, training: TrainingSchedule, plan: NoisePlan, spacing: str | None) -> float:
    """The standard deviation of the first x of a run that starts from noise."""
    named = SAMPLERS[sampler]
    if not named.scaled:
        return 1.0
    highest = float(plan.sigmas[0])
    # The first level of "leading" is not the highest of training, so x there also has the variance of the signal, 1.
    leading = _spacing(sampler, named, training, spacing) == "leading"
    return float(np.hypot(highest, 1)) if leading else highest


def _spacing(sampler: str, named: Sampler, training: TrainingSchedule, spacing: str | None) -> str:
    """The requested spacing, else the checkpoint's if the sampler supports it, else the sampler's default."""
    if spacing is not None:
        return one_of(spacing, named.spacings, what="spacing", whose=f" for sampler {sampler!r}")
    own = training.timestep_spacing
    return own if own in named.spacings else named.spacing or ""


def _eta(sampler: str, named: Sampler, eta: float | None) -> float:
    if eta is None:
        return named.eta or 0.0
    if named.eta is None:
        having = ", ".join(name for name, other in SAMPLERS.items() if other.eta is not None)
        raise refusal(f"eta {eta!r} with sampler {sampler!r}", f"a sampler that has one: {having}", "Leave eta out.")
    if isinstance(eta, bool) or not isinstance(eta, int | float) or not 0 <= eta <= 1:
        raise refusal(f"eta {eta!r}", "a number from 0 to 1", "0 draws no fresh noise.")
    return float(eta)
