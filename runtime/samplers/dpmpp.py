"""DPM-Solver++ (Lu et al. 2022b): exponential integrators in lambda = log(alpha/sigma). D is the predicted x0.

Levels are sigma/alpha as in Karras et al. 2022, so lambda = -log(level) and exp(-h) = level' / level, which stays
exact where the last level is 0.
"""

from __future__ import annotations

from math import log, sqrt

from latentlink.runtime.samplers.plan import Plan
from latentlink.runtime.samplers.prediction import X0, alpha_sigma
from latentlink.runtime.samplers.table import Row

# With fewer steps than this the last one is of first order, for stability (Lu et al. 2022b).
FEW_STEPS = 15


def second_order_ratio(plan: Plan, step: int) -> float:
    """h / h_prev, what the difference D - D1 is scaled with; 0 where the step has to be of first order."""
    last = step == len(plan.timesteps) - 1
    if step == 0 or (last and (len(plan.timesteps) < FEW_STEPS or plan.sigmas[-1] == 0)):
        return 0.0
    before, now, after = (float(level) for level in plan.sigmas[step - 1 : step + 2])
    return log(now / after) / log(before / now)


def dpmpp_2m(plan: Plan) -> list[Row]:
    """Lu et al. 2022b, algorithm 2: DPM-Solver++(2M), midpoint."""
    rows = []
    for step, t, level, level_next in plan:
        alpha, sigma = alpha_sigma(level)
        alpha_next, sigma_next = alpha_sigma(level_next)
        p, q = X0[plan.prediction](alpha, sigma)
        b = -alpha_next * (level_next / level - 1)
        half_ratio = second_order_ratio(plan, step) / 2
        rows.append(Row(t=t, p=p, q=q, a=sigma_next / sigma, b=(b * (1 + half_ratio), -b * half_ratio), step=step))
    return rows


def dpmpp_2m_sde(plan: Plan) -> list[Row]:
    """Lu et al. 2022b, SDE-DPM-Solver++(2M), midpoint. Noise is drawn at the last step too."""
    rows = []
    for step, t, level, level_next in plan:
        alpha, sigma = alpha_sigma(level)
        alpha_next, sigma_next = alpha_sigma(level_next)
        decay = level_next / level  # exp(-h)
        p, q = X0[plan.prediction](alpha, sigma)
        a = sigma_next / sigma * decay
        b = alpha_next * (1 - decay**2)
        c = sigma_next * sqrt(1 - decay**2)
        half_ratio = second_order_ratio(plan, step) / 2
        b0, b1 = b * (1 + half_ratio), -b * half_ratio
        rows.append(Row(t=t, p=p, q=q, a=a, b=(b0, b1), c=c, step=step, draws=True))
    return rows


def dpmpp_2s(plan: Plan) -> list[Row]:
    """Lu et al. 2022b, algorithm 1: DPM-Solver++(2S), midpoint. Each call of the model counts as a step.

    Steps go in pairs: a first-order one to the middle of the pair, then the pair again from its start with both Ds.
    The start is recovered from the middle, as that is first order in D1 alone. The last step is of first order
    where it ends at a clean picture or completes no pair.
    """
    rows: list[Row] = []
    count, to_zero = len(plan.timesteps), bool(plan.sigmas[-1] == 0)
    for step, t, level, level_next in plan:
        alpha, sigma = alpha_sigma(level)
        alpha_next, sigma_next = alpha_sigma(level_next)
        p, q = X0[plan.prediction](alpha, sigma)
        if step % 2 == 0 or (step == count - 1 and to_zero):
            a, b0, b1 = sigma_next / sigma, -alpha_next * (level_next / level - 1), 0.0
        else:
            start = float(plan.sigmas[step - 1])
            ratio = log(start / level_next) / log(start / level)  # h over the first half of the pair
            b = -alpha_next * (level_next / start - 1)
            a = sigma_next / sigma
            b0, b1 = b * ratio / 2, b * (1 - ratio / 2) - a * rows[-1].b[0]
        rows.append(Row(t=t, p=p, q=q, a=a, b=(b0, b1), step=step))
    return rows
