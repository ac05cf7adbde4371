"""LCM and TCD, for consistency models: a few steps, each to a clean picture or near it, then fresh noise."""

from __future__ import annotations

from math import sqrt

import numpy as np

from latentlink.runtime.samplers.schedules.prediction import X0
from latentlink.runtime.samplers.solvers.plan import NoisePlan
from latentlink.runtime.samplers.solvers.table import Row

SIGMA_DATA = 0.5


def lcm(plan: NoisePlan) -> list[Row]:
    """Luo et al. 2023 (Latent Consistency Models), multistep sampling.

    D = c_skip*x + c_out*x0, then noise to the next level.
    """
    rows = []
    for step, t, _, _ in plan:
        alpha = plan.alpha_bar(t)
        p, q = X0[plan.prediction](sqrt(alpha), sqrt(1 - alpha))
        scaled = t * plan.timestep_scaling
        c_skip = SIGMA_DATA**2 / (scaled**2 + SIGMA_DATA**2)
        c_out = scaled / sqrt(scaled**2 + SIGMA_DATA**2)
        last = step == len(plan.timesteps) - 1
        alpha_next = 1.0 if last else plan.alpha_bar(plan.next_timestep(step, after_last=0))
        rows.append(
            Row(
                t=t,
                p=c_skip + c_out * p,
                q=c_out * q,
                a=0,
                b=(sqrt(alpha_next),),
                c=sqrt(1 - alpha_next),
                step=step,
                level=(sqrt(alpha), sqrt(1 - alpha)),
                draws=not last,
            )
        )
    return rows


def tcd(plan: NoisePlan) -> list[Row]:
    """Zheng et al. 2024 (Trajectory Consistency Distillation), strategic stochastic sampling.

    The model jumps to s = (1 - eta)*t', then noise brings it to t'. D is the predicted x0. The last step ends at
    timestep 0 and draws nothing.
    """
    rows = []
    for step, t, _, _ in plan:
        t_next = plan.next_timestep(step, after_last=0)
        # float32, because diffusers rounds this product to it before cutting off the fraction.
        s = float(np.floor(np.float32(1 - plan.eta) * np.float32(t_next)))
        alpha, alpha_s, alpha_next = plan.alpha_bar(t), plan.alpha_bar(s), plan.alpha_bar(t_next)
        noisy = plan.eta > 0 and step + 1 < len(plan.timesteps)
        scale = sqrt(alpha_next / alpha_s) if noisy else 1.0
        p, q = X0[plan.prediction](sqrt(alpha), sqrt(1 - alpha))
        a = scale * sqrt(1 - alpha_s) / sqrt(1 - alpha)
        b0 = scale * sqrt(alpha_s) - a * sqrt(alpha)
        c = sqrt(1 - alpha_next / alpha_s) if noisy else 0.0
        level = (sqrt(alpha), sqrt(1 - alpha))
        rows.append(Row(t=t, p=p, q=q, a=a, b=(b0,), c=c, step=step, level=level, draws=noisy))
    return rows
