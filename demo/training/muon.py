"""Muon: momentum orthogonalised by Newton-Schulz, for weight matrices (Keller Jordan et al., 2024)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class Muon(torch.optim.Optimizer):
    """Muon for parameters of two or more dimensions; convolutions are treated as `[out, in * kh * kw]`.

    Args:
        params: Parameters.
        lr: Step size; the update has unit spectral norm, scaled by `sqrt(max(1, rows / columns))`.
        momentum: Nesterov momentum.
    """

    def __init__(self, params: Iterable[nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is None:
                    continue
                state = self.state[param]
                buffer = state.setdefault("momentum", torch.zeros_like(param))
                buffer.lerp_(param.grad, 1 - group["momentum"])
                update = param.grad.lerp(buffer, group["momentum"]).flatten(1)
                scale = max(1.0, update.shape[0] / update.shape[1]) ** 0.5
                param.add_(orthogonal(update).view_as(param), alpha=-group["lr"] * scale)


def orthogonal(matrix: Tensor, steps: int = 5) -> Tensor:
    """An approximation of the nearest semi-orthogonal matrix: quintic Newton-Schulz iteration on `[rows, columns]`."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x: Tensor = matrix / (matrix.norm() + 1e-7)
    wide = x.shape[0] <= x.shape[1]
    x = x if wide else x.T
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if wide else x.T


class Optimizer:
    """Muon for matrices, AdamW for the rest, an exponential moving average of both, one learning-rate curve.

    Args:
        modules: Modules to train.
        steps: Total steps; the rate rises over the first 2 % and falls to zero over the last 40 %.
        muon_lr: Peak rate of Muon.
        adam_lr: Peak rate of AdamW.
        ema: Final decay of the average; it starts lower.
    """

    def __init__(self, modules: Iterable[nn.Module], *, steps: int, muon_lr: float, adam_lr: float, ema: float) -> None:
        params = [param for module in modules for param in module.parameters()]
        matrices = [p for p in params if p.ndim >= 2 and min(p.shape[0], p.flatten(1).shape[1]) > 8]
        chosen = {id(p) for p in matrices}
        rest = [p for p in params if id(p) not in chosen]
        self._params = params
        self._average = [p.detach().clone() for p in params]
        self._ema = ema
        self._optimizers = (
            Muon(matrices, lr=muon_lr),
            torch.optim.AdamW(rest, lr=adam_lr, betas=(0.9, 0.98), weight_decay=0.0),
        )
        self._peaks = (muon_lr, adam_lr)
        self._step, self._steps = 0, steps

    def step(self, loss: Tensor) -> None:
        """One step down `loss`."""
        done = self._step / self._steps
        curve = min(1.0, done / 0.02 + 0.01, (1 - done) / 0.4)
        for optimizer, peak in zip(self._optimizers, self._peaks, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = peak * curve
            optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self._params, 1.0)
        for optimizer in self._optimizers:
            optimizer.step()
        self._step += 1
        decay = min(self._ema, (1 + self._step) / (10 + self._step))
        torch._foreach_lerp_(self._average, [p.detach() for p in self._params], 1 - decay)

    def use_average(self) -> None:
        """Replace the parameters by their average, after training."""
        for param, average in zip(self._params, self._average, strict=True):
            param.data.copy_(average)
