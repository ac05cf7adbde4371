"""DPM-Solver++ (Lu et al. 2022b): exponential integrators in lambda = log(alpha/sigma). D is the predicted x0.

Ratios are sigma/alpha as in Karras et al. 2022, so lambda = -log(ratio) and exp(-h) = ratio' / ratio, which stays
exact if the last ratio is 0. Flow-matching models differ only in how alpha follows from the ratio.
"""

from __future__ import annotations

from math import log, sqrt

from latentlink.runtime.samplers.schedules.prediction import X0, alpha_sigma
from latentlink.runtime.samplers.solvers.plan import Plan
from latentlink.runtime.samplers.solvers.table import Row

# With fewer steps than this the last one is of first order, for stability (Lu et al. 2022b).
FEW_STEPS = 15


def second_order_ratio(plan: Plan, step: int) -> float:
    """h / h_prev, the factor on the difference D - D1; 0 if the step has to be of first order."""
    last = step == len(plan.timesteps) - 1
    if step == plan.begin or (last and (len(plan.timesteps) < FEW_STEPS or plan.sigmas[-1] == 0)):
        return 0.0
    before, now, after = (float(ratio) for ratio in plan.sigmas[step - 1 : step + 2])
    return log(now / after) / log(before / now)


def dpmpp_2m(plan: Plan) -> list[Row]:
    """Lu et al. 2022b, algorithm 2: DPM-Solver++(2M), midpoint."""
    rows = []
    for step, t, ratio, ratio_next in plan:
        alpha, sigma = level = alpha_sigma(plan.prediction, ratio)
        alpha_next, sigma_next = alpha_sigma(plan.prediction, ratio_next)
        p, q = X0[plan.prediction](alpha, sigma)
        b = -alpha_next * (ratio_next / ratio - 1)
        half_ratio = second_order_ratio(plan, step) / 2
        rows.append(
            Row(t=t, p=p, q=q, a=sigma_next / sigma, b=(b * (1 + half_ratio), -b * half_ratio), step=step, level=level)
        )
    return rows


def dpmpp_2m_sde(plan: Plan) -> list[Row]:
    """Lu et al. 2022b, SDE-DPM-Solver++(2M), midpoint. Noise is drawn at the last step too."""
    rows = []
    for step, t, ratio, ratio_next in plan:
        alpha, sigma = level = alpha_sigma(plan.prediction, ratio)
        alpha_next, sigma_next = alpha_sigma(plan.prediction, ratio_next)
        decay = ratio_next / ratio  # exp(-h)
        p, q = X0[plan.prediction](alpha, sigma)
        a = sigma_next / sigma * decay
        b = alpha_next * (1 - decay**2)
        c = sigma_next * sqrt(max(1 - decay**2, 0))  # rounding may put the last level a bit below the one after it
        half_ratio = second_order_ratio(plan, step) / 2
        b0, b1 = b * (1 + half_ratio), -b * half_ratio
        rows.append(Row(t=t, p=p, q=q, a=a, b=(b0, b1), c=c, step=step, level=level, draws=True))
    return rows


def dpmpp_2s(plan: Plan) -> list[Row]:
    """Lu et al. 2022b, algorithm 1: DPM-Solver++(2S), midpoint. Each call of the model counts as a step.

    Steps go in pairs: a first-order one to the middle of the pair, then the pair again from its start with both Ds.
    The start is recovered from the middle, as that is first order in D1 alone. The last step is of first order
    if it ends at a clean picture or completes no pair.
    """
    rows: list[Row] = []
    count, to_zero = len(plan.timesteps), bool(plan.sigmas[-1] == 0)
    for step, t, ratio, ratio_next in plan:
        alpha, sigma = level = alpha_sigma(plan.prediction, ratio)
        alpha_next, sigma_next = alpha_sigma(plan.prediction, ratio_next)
        p, q = X0[plan.prediction](alpha, sigma)
        first = step % 2 == 0 or step == plan.begin or (step == count - 1 and to_zero)
        if first:
            a, b0, b1 = sigma_next / sigma, -alpha_next * (ratio_next / ratio - 1), 0.0
        else:
            start = float(plan.sigmas[step - 1])
            stretch = log(start / ratio_next) / log(start / ratio)  # the pair's h over that of its first half
            b = -alpha_next * (ratio_next / start - 1)
            a = sigma_next / sigma
            b0, b1 = b * stretch / 2, b * (1 - stretch / 2) - a * rows[-1].b[0]
        rows.append(Row(t=t, p=p, q=q, a=a, b=(b0, b1), step=step, level=level, recovers=not first))
    return rows
