"""From what was asked to a plan, and from the plan to a table."""

from __future__ import annotations

import numpy as np

from latentlink.runtime.samplers.plan import Plan
from latentlink.runtime.samplers.refusal import one_of, refusal
from latentlink.runtime.samplers.registry import SAMPLERS, Sampler
from latentlink.runtime.samplers.spacing import GridRequest
from latentlink.runtime.samplers.table import SamplerTable
from latentlink.runtime.samplers.training import TrainingSchedule

# The schedule that published consistency models were distilled on, and the scaling of their boundary condition.
ORIGINAL_STEPS = 50
TIMESTEP_SCALING = 10.0


def sampler_table(
    sampler: str,
    training: TrainingSchedule,
    *,
    steps: int,
    spacing: str | None = None,
    sigmas: str | None = None,
    eta: float | None = None,
) -> SamplerTable:
    """Everything that `sampler` does in `steps` steps.

    Args:
        sampler: A key of `SAMPLERS`.
        training: What the denoiser was trained with.
        steps: Steps, from 1; two-call solvers have about twice as many rows.
        spacing: "leading", "linspace" or "trailing"; None for what the checkpoint says, else the sampler's default.
        sigmas: "karras", "exponential" or "beta"; None for the training schedule's own levels.
        eta: Amount of fresh noise, 0 to 1, of samplers that have it; None for the default.

    Raises:
        UsageError: A name is unknown, a value is out of range, or the combination is not possible.
    """
    named = SAMPLERS[one_of(sampler, SAMPLERS, what="sampler")]
    plan = _plan(sampler, named, training, steps, spacing, sigmas, eta)
    scale = float(plan.sigmas[0]) if named.scaled else 1.0
    if named.scaled and _spacing(sampler, named, training, spacing) == "leading":
        # The first level is not the highest of training, so the noise there carries a unit of signal's variance.
        scale = float(np.hypot(scale, 1))
    return SamplerTable.of(named.rows(plan), start_scale=scale)


def _plan(
    sampler: str,
    named: Sampler,
    training: TrainingSchedule,
    steps: int,
    spacing: str | None,
    sigmas: str | None,
    eta: float | None,
) -> Plan:
    if type(steps) is not int or not 1 <= steps <= training.num_train_timesteps:
        raise refusal(
            f"steps {steps!r}",
            f"a whole number from 1 to {training.num_train_timesteps}",
            "10 to 50 are usual.",
        )
    if sigmas is not None:
        one_of(sigmas, named.sigmas, what=f"sigmas of sampler {sampler!r}")
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
    return Plan(
        timesteps=grid.timesteps,
        sigmas=grid.sigmas,
        levels=levels,
        final_alpha_bar=1.0 if ends_at_one else float(levels.alpha_bar[0]),
        stride=training.num_train_timesteps // steps,
        prediction=training.prediction_type,
        eta=_eta(sampler, named, eta),
        timestep_scaling=training.timestep_scaling or TIMESTEP_SCALING,
    )


def _spacing(sampler: str, named: Sampler, training: TrainingSchedule, asked: str | None) -> str:
    """What is asked for, else what the checkpoint says if the sampler can do that, else the sampler's default."""
    if asked is not None:
        return one_of(asked, named.spacings, what=f"spacing of sampler {sampler!r}")
    said = training.timestep_spacing
    return said if said in named.spacings else named.spacing or ""


def _eta(sampler: str, named: Sampler, asked: float | None) -> float:
    if asked is None:
        return named.eta or 0.0
    if named.eta is None:
        having = ", ".join(name for name, other in SAMPLERS.items() if other.eta is not None)
        raise refusal(f"eta {asked!r} with sampler {sampler!r}", f"a sampler that has one: {having}", "Leave eta out.")
    if isinstance(asked, bool) or not isinstance(asked, int | float) or not 0 <= asked <= 1:
        raise refusal(f"eta {asked!r}", "a number from 0 to 1", "0 draws no fresh noise.")
    return float(asked)
