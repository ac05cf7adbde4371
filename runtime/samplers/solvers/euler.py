"""Solvers of dx/dsigma = eps on x = x0 + sigma*eps (Karras et al. 2022, eq. 1 and 3). D is that derivative."""

from __future__ import annotations

from math import sqrt

import numpy as np

from latentlink.runtime.samplers.schedules.prediction import derivative
from latentlink.runtime.samplers.solvers.plan import NoisePlan, Plan
from latentlink.runtime.samplers.solvers.table import Row


def euler(plan: Plan) -> list[Row]:
    """Karras et al. 2022, algorithm 1 without its second-order correction; the same as DDIM in sigma."""
    rows = []
    for step, t, sigma, sigma_next in plan:
        c_in, p, q = derivative(plan.prediction, sigma)
        rows.append(Row(t=t, c_in=c_in, p=p, q=q, a=1, b=(sigma_next - sigma,), step=step, level=(1, sigma)))
    return rows


def euler_a(plan: Plan) -> list[Row]:
    """Euler's method with ancestral noise: DDPM's posterior (Ho et al. 2020) written in sigma.

    Noise is drawn at the last step too, where its coefficient is 0.
    """
    rows = []
    for step, t, sigma, sigma_next in plan:
        c_in, p, q = derivative(plan.prediction, sigma)
        sigma_up = sqrt(sigma_next**2 * (sigma**2 - sigma_next**2) / sigma**2)
        sigma_down = sqrt(sigma_next**2 - sigma_up**2)
        b = (sigma_down - sigma,)
        rows.append(Row(t=t, c_in=c_in, p=p, q=q, a=1, b=b, c=sigma_up, step=step, level=(1, sigma), draws=True))
    return rows


def heun(plan: Plan) -> list[Row]:
    """Karras et al. 2022, algorithm 1: Euler to the next level, then again with the mean of both derivatives.

    The second row starts from the first row's result, h*D1 past the x that the step began with.
    """
    rows = []
    for step, t, sigma, sigma_next in plan:
        h = sigma_next - sigma
        c_in, p, q = derivative(plan.prediction, sigma)
        rows.append(Row(t=t, c_in=c_in, p=p, q=q, a=1, b=(h,), step=step, level=(1, sigma)))
        if sigma_next > 0:
            t_next = plan.next_timestep(step, after_last=0)
            c_in, p, q = derivative(plan.prediction, sigma_next)
            b, level = (h / 2, h / 2 - h), (1, sigma_next)
            rows.append(Row(t=t_next, c_in=c_in, p=p, q=q, a=1, b=b, step=step, level=level, recovers=True))
    return rows


def dpm2(plan: NoisePlan) -> list[Row]:
    """DPM-Solver-2 (Lu et al. 2022, algorithm 1) in sigma: Euler to the midpoint in log(sigma), then one whole
    step with the derivative found there.

    The picture around a mask is at the next level while the model sees the middle, as in diffusers.
    """
    rows = []
    for step, t, sigma, sigma_next in plan:
        middle = sqrt(sigma * sigma_next)
        to_middle, h = middle - sigma, sigma_next - sigma
        c_in, p, q = derivative(plan.prediction, sigma)
        rows.append(Row(t=t, c_in=c_in, p=p, q=q, a=1, b=(to_middle,), step=step, level=(1, sigma)))
        if sigma_next > 0:
            t_middle = float(plan.levels.timestep_of(np.array(middle)))
            c_in, p, q = derivative(plan.prediction, middle)
            b, level = (h, -to_middle), (1, sigma_next)
            rows.append(
                Row(t=t_middle, c_in=c_in, p=p, q=q, a=1, b=b, step=step, level=level, recovers=True, sigma=middle)
            )
    return rows
