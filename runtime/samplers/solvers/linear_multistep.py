"""LMS and PNDM: Adams-Bashforth on the predicted noise. D is that noise; for PNDM it is the model's raw output."""

from __future__ import annotations

from math import prod, sqrt

import numpy as np

from latentlink.runtime.samplers.schedules.prediction import EPSILON, derivative
from latentlink.runtime.samplers.schedules.refusal import refusal
from latentlink.runtime.samplers.solvers.plan import NoisePlan, Plan
from latentlink.runtime.samplers.solvers.table import Row

# Adams-Bashforth weights by number of derivatives, newest first.
_ADAMS_BASHFORTH = (
    (1.0,),
    (3 / 2, -1 / 2),
    (23 / 12, -16 / 12, 5 / 12),
    (55 / 24, -59 / 24, 37 / 24, -9 / 24),
)


def lms(plan: Plan) -> list[Row]:
    """Linear multistep of order 4: Adams-Bashforth with unequal steps of sigma (Crowson 2022, k-diffusion).

    x' = x + sum of D_k times the integral of the k-th Lagrange polynomial from sigma to sigma'. A run that begins late
    keeps the order and lacks the older Ds, as in diffusers, so its first three steps are not those of a lower order.

    Raises:
        UsageError: Two steps have the same level, between which no polynomial is defined.
    """
    if (np.diff(plan.sigmas) >= 0).any():
        raise refusal(
            f"{len(plan.timesteps)} steps of sampler 'lms', of which some visit the same noise level",
            "a noise level for each step",
            "Ask for fewer steps, or another spacing.",
        )
    rows = []
    for step, t, sigma, sigma_next in plan:
        nodes = plan.sigmas[max(step - 3, 0) : step + 1][::-1]
        c_in, p, q = derivative(plan.prediction, sigma)
        b = [_lagrange_integral(nodes.tolist(), k, sigma_next) for k in range(min(len(nodes), step - plan.begin + 1))]
        rows.append(Row(t=t, c_in=c_in, p=p, q=q, a=1, b=b, step=step, level=(1, sigma)))
    return rows


def _lagrange_integral(nodes: list[float], k: int, end: float) -> float:
    """The integral, from `nodes[0]` to `end`, of the polynomial that is 1 at node k and 0 at the others.

    Gauss-Legendre with two points is exact up to degree 3, which is all there is with four nodes.
    """
    half = (end - nodes[0]) / 2
    points = (nodes[0] + half * (1 - 1 / sqrt(3)), nodes[0] + half * (1 + 1 / sqrt(3)))
    others = nodes[:k] + nodes[k + 1 :]
    return half * sum(prod((at - node) / (nodes[k] - node) for node in others) for at in points)


def pndm(plan: NoisePlan) -> list[Row]:
    """Liu et al. 2022 (Pseudo Numerical Methods), linear multistep without the Runge-Kutta start.

    There is one row more than there are steps: the second row repeats the first step with the mean of the noise at
    both of its ends, and that row's D stays out of the later combinations. D is the model's raw output; the
    prediction is converted after combining, with x of the current row.

    A run that begins late cuts the list of rows, and its own second row is the one that repeats a step. As in
    diffusers, that leaves out the step which should follow.
    """
    rows: list[Row] = []
    t_of_step = plan.timesteps.tolist()
    for n, t in enumerate([*t_of_step[:2], *t_of_step[1:]][plan.begin :]):
        repeat = n == 1
        t_from = t + plan.stride if repeat else t
        x_scale, model_scale = _transfer(plan, t_from, t_from - plan.stride)
        if repeat:
            # x_0 = (x - b0*D1) / a with a and b0 of the first row.
            first = rows[0]
            b = [model_scale / 2, model_scale / 2 - x_scale / first.a * first.b[0], 0.0, 0.0, 0.0]
            x_scale /= first.a
        else:
            used = [row for row in range(n, -1, -1) if row != 1][:4]
            b = [0.0] * 5
            for row, weight in zip(used, _ADAMS_BASHFORTH[len(used) - 1], strict=True):
                b[n - row] = weight * model_scale
        alpha = plan.alpha_bar(t)
        level = (sqrt(alpha), sqrt(1 - alpha))
        rows.append(Row(t=t, p=0, q=1, a=x_scale, b=b, step=max(n - 1, 0), level=level, recovers=repeat))
    return rows


def _transfer(plan: NoisePlan, t: float, t_next: float) -> tuple[float, float]:
    """x' = x_scale*x + model_scale*m from t to t_next: Liu et al. 2022, eq. 9."""
    alpha, alpha_next = plan.alpha_bar(t), plan.alpha_bar(t_next)
    p, q = EPSILON[plan.prediction](sqrt(alpha), sqrt(1 - alpha))
    eps_scale = -(alpha_next - alpha) / (alpha * sqrt(1 - alpha_next) + sqrt(alpha * (1 - alpha) * alpha_next))
    return sqrt(alpha_next / alpha) + eps_scale * p, eps_scale * q
