"""DEIS (Zhang and Chen 2023), log-rho, order 2. D is the predicted noise."""

from __future__ import annotations

from math import log

from latentlink.runtime.samplers.schedules.prediction import EPSILON, alpha_sigma
from latentlink.runtime.samplers.solvers.dpmpp import FEW_STEPS
from latentlink.runtime.samplers.solvers.plan import Plan
from latentlink.runtime.samplers.solvers.table import Row


def deis(plan: Plan) -> list[Row]:
    """Zhang and Chen 2023, the multistep method with polynomials in log(rho).

    With rho = sigma/alpha: x'/alpha' = x/alpha + sum of D_k times the integral, from rho to rho', of the Lagrange
    polynomial in log(rho).
    """
    rows = []
    for step, t, rho, rho_next in plan:
        alpha, sigma = level = alpha_sigma(plan.prediction, rho)
        alpha_next, _ = alpha_sigma(plan.prediction, rho_next)
        p, q = EPSILON[plan.prediction](alpha, sigma)
        weights = [rho_next - rho]
        last = step == len(plan.timesteps) - 1
        if step > plan.begin and not (last and len(plan.timesteps) < FEW_STEPS):
            before = float(plan.sigmas[step - 1])
            weights = [_integral(rho, rho_next, rho, before), _integral(rho, rho_next, before, rho)]
        b = [alpha_next * weight for weight in weights]
        rows.append(Row(t=t, p=p, q=q, a=alpha_next / alpha, b=b, step=step, level=level))
    return rows


def _integral(start: float, end: float, one: float, zero: float) -> float:
    """The integral over rho of the line in log(rho) that is 1 at `one` and 0 at `zero`."""

    def primitive(rho: float) -> float:
        return rho * (log(rho) - log(zero) - 1) / (log(one) - log(zero))

    return primitive(end) - primitive(start)
