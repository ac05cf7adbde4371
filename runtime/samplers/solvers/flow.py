"""Solvers of dx/dsigma = m on x = (1 - sigma)*x0 + sigma*eps, where the model m predicts the flow eps - x0.

Lipman et al. 2023 (Flow Matching), Liu et al. 2023 (Rectified Flow). D is that flow.
"""

from __future__ import annotations

from latentlink.runtime.samplers.solvers.plan import Plan
from latentlink.runtime.samplers.solvers.table import Row


def flow_euler(plan: Plan) -> list[Row]:
    """Euler's method: Esser et al. 2024 (Scaling Rectified Flow Transformers)."""
    return [
        Row(t=t, p=0, q=1, a=1, b=(sigma_next - sigma,), step=step, level=(1 - sigma, sigma))
        for step, t, sigma, sigma_next in plan
    ]


def flow_heun(plan: Plan) -> list[Row]:
    """Karras et al. 2022, algorithm 1: Euler to the next level, then again with the mean of both flows."""
    rows = []
    for step, t, sigma, sigma_next in plan:
        h = sigma_next - sigma
        rows.append(Row(t=t, p=0, q=1, a=1, b=(h,), step=step, level=(1 - sigma, sigma)))
        if sigma_next > 0:
            t_next = plan.next_timestep(step, after_last=0)
            b, level = (h / 2, h / 2 - h), (1 - sigma_next, sigma_next)
            rows.append(Row(t=t_next, p=0, q=1, a=1, b=b, step=step, level=level, recovers=True))
    return rows
