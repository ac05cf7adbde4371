"""DDIM and DDPM: steps between timesteps of the training schedule. D is the predicted x0."""

from __future__ import annotations

from math import sqrt

from latentlink.runtime.samplers.schedules.prediction import X0
from latentlink.runtime.samplers.solvers.plan import NoisePlan
from latentlink.runtime.samplers.solvers.table import Row


def ddim(plan: NoisePlan) -> list[Row]:
    """Song et al. 2021 (Denoising Diffusion Implicit Models), eq. 12 and 16.

    x' = sqrt(alpha')*x0 + sqrt(1 - alpha' - sigma**2)*eps + sigma*noise, with eps = (x - sqrt(alpha)*x0) /
    sqrt(1 - alpha). The step goes to t - T//N, which is not always the next entry of the timesteps.
    """
    rows = []
    for step, t, _, _ in plan:
        alpha, alpha_next = plan.alpha_bar(t), plan.alpha_bar(t - plan.stride)
        p, q = X0[plan.prediction](sqrt(alpha), sqrt(1 - alpha))
        sigma = plan.eta * sqrt((1 - alpha_next) / (1 - alpha) * (1 - alpha / alpha_next))
        a = sqrt(max(1 - alpha_next - sigma**2, 0.0)) / sqrt(1 - alpha)
        b0 = sqrt(alpha_next) - a * sqrt(alpha)
        level = (sqrt(alpha), sqrt(1 - alpha))
        rows.append(Row(t=t, p=p, q=q, a=a, b=(b0,), c=sigma, step=step, level=level, draws=plan.eta > 0))
    return rows


def ddpm(plan: NoisePlan) -> list[Row]:
    """Ho et al. 2020 (Denoising Diffusion Probabilistic Models), eq. 6 and 7, with the smaller variance.

    No noise is drawn at t = 0. Where the last timestep is above 0 it is drawn and almost vanishes: the variance
    is at least 1e-20.
    """
    rows = []
    for step, t, _, _ in plan:
        alpha_bar = plan.alpha_bar(t)
        t_next = plan.next_timestep(step, after_last=-1)
        alpha_bar_next = plan.alpha_bar(t_next) if t_next >= 0 else 1.0
        alpha = alpha_bar / alpha_bar_next
        beta = 1 - alpha
        p, q = X0[plan.prediction](sqrt(alpha_bar), sqrt(1 - alpha_bar))
        b0 = sqrt(alpha_bar_next) * beta / (1 - alpha_bar)
        a = sqrt(alpha) * (1 - alpha_bar_next) / (1 - alpha_bar)
        variance = max((1 - alpha_bar_next) / (1 - alpha_bar) * beta, 1e-20)
        c = sqrt(variance) if t > 0 else 0.0
        level = (sqrt(alpha_bar), sqrt(1 - alpha_bar))
        rows.append(Row(t=t, p=p, q=q, a=a, b=(b0,), c=c, step=step, level=level, draws=t > 0))
    return rows
