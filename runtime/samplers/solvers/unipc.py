"""UniPC (Zhao et al. 2023), order 2, B(h) = exp(h) - 1 ("bh2"), data prediction. D is the predicted x0."""

from __future__ import annotations

from math import expm1, log

from latentlink.runtime.samplers.schedules.prediction import X0, alpha_sigma
from latentlink.runtime.samplers.solvers.plan import Plan
from latentlink.runtime.samplers.solvers.table import Row


def unipc(plan: Plan) -> list[Row]:
    """Zhao et al. 2023, UniP-2 as the predictor and UniC-2 as the corrector.

    A row corrects the x it is given with the new D, then predicts the next x. Predictor and corrector of an
    interval differ only in the weights of D's differences, so correcting adds a combination of Ds to x, and no older
    x is needed. Flow-matching models differ only in how alpha follows from the ratio of noise to signal.
    """
    rows = []
    for step, t, ratio, ratio_next in plan:
        alpha, sigma = level = alpha_sigma(plan.prediction, ratio)
        alpha_next, sigma_next = alpha_sigma(plan.prediction, ratio_next)
        p, q = X0[plan.prediction](alpha, sigma)
        a = sigma_next / sigma
        b_h = -alpha_next * (ratio_next / ratio - 1)  # -alpha' * B(h)
        half = 0.5 / _r(plan, step) if _order(plan, step) == 2 else 0.0
        b0, b1, b2 = (a * weight for weight in _correction(plan, step))
        b = (b0 + b_h * (1 - half), b1 + b_h * half, b2)
        rows.append(Row(t=t, p=p, q=q, a=a, b=b, step=step, level=level, recovers=step > plan.begin))
    return rows


def _order(plan: Plan, step: int) -> int:
    """Order of the predictor at this step and of the corrector after it: lower at both ends."""
    return min(2, step - plan.begin + 1, len(plan.timesteps) - step)


def _r(plan: Plan, step: int) -> float:
    """(lambda_before - lambda) / h, negative."""
    before, now, after = (float(ratio) for ratio in plan.sigmas[step - 1 : step + 2])
    return log(now / before) / -log(after / now)


def _correction(plan: Plan, step: int) -> tuple[float, float, float]:
    """Weights of D, D1 and D2 in (corrected x - predicted x), for the interval that ended at this step."""
    if step == plan.begin:
        return 0.0, 0.0, 0.0
    before, now = float(plan.sigmas[step - 1]), float(plan.sigmas[step])
    h = log(now / before)  # h of data prediction is -(lambda - lambda_before)
    b = -alpha_sigma(plan.prediction, now)[0] * expm1(h)
    if _order(plan, step - 1) == 1:
        return b / 2, -b / 2, 0.0
    # rho solves [1 1; r 1] rho = (b_1, b_2), the order conditions of the paper's theorem.
    r = _r(plan, step - 1)
    phi_2 = expm1(h) / h - 1
    phi_3 = phi_2 / h - 1 / 2
    b_1, b_2 = phi_2 / expm1(h), 2 * phi_3 / expm1(h)
    rho_1 = (b_1 - b_2) / (1 - r)
    rho_c = b_1 - rho_1
    older = (rho_1 - 0.5) / r  # the predictor's weight is 1/2
    return b * rho_c, -b * (rho_c + older), b * older
