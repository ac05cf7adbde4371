"""The denoiser as the whole sampling step: model, classifier-free guidance and the sampler's update in one graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latentlink.export.typed import TypedModule


class Step(TypedModule):
    """One row of any sampler's table, per picture of the batch.

    With `t, c_in, p, q, a, b0..b4, c = coefficients` and `m` the guided prediction of the model:

        D  = p*x + q*m(c_in*x, t)
        x' = a*x + b0*D + b1*D1 + b2*D2 + b3*D3 + b4*D4 + c*noise

    Guidance is `m = uncond + w * (cond - uncond)` (Ho and Salimans, 2022). It runs only where the text has two
    rows a picture (`[2B, S, D]`, unconditional first); with one row a picture (`[B, S, D]`) the same graph does
    half of the work, and `w` has no effect.

    Args:
        predict: The denoiser, `(latent [N, C, h, w], timestep float32 [N], text [N, S, D]) -> [N, C, h, w]`.
        interface_dtype: What crosses between engines. The step's own arithmetic is float32.
    """

    def __init__(self, predict: nn.Module, interface_dtype: torch.dtype) -> None:
        super().__init__(predict)
        self.interface_dtype = interface_dtype

    def forward(
        self,
        latent: Tensor,
        history1: Tensor,
        history2: Tensor,
        history3: Tensor,
        history4: Tensor,
        noise: Tensor,
        text: Tensor,
        guidance: Tensor,
        coefficients: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Run the step.

        Args:
            latent: x, interface dtype `[B, C, h, w]`.
            history1: D1 of the formula, the newest earlier D, shape of `latent`; `history2..4` are older.
            history2: D2.
            history3: D3.
            history4: D4.
            noise: Standard normal, shape of `latent`.
            text: Interface dtype `[B or 2B, S, D]`, unconditional rows first.
            guidance: w, float32 `[B]`.
            coefficients: float32 `[B, 11]`.

        Returns:
            x' and D, both of `latent`'s shape and dtype.
        """
        x = latent.float()
        columns = [column[:, None, None, None] for column in coefficients.unbind(1)]
        _, c_in, p, q, a, b0, b1, b2, b3, b4, c = columns
        batch, rows = latent.shape[0], text.shape[0]
        # Row n of the text belongs to picture n mod B. Gathers leave B and the rows independent free
        # dimensions for the exporter, where chunk or repeat would tie them.
        picture = torch.arange(rows, device=text.device) % torch.full((1,), batch, device=text.device)
        prediction = self.run((c_in * x)[picture], coefficients[:, 0][picture], text.to(self.compute_dtype))
        first = torch.arange(batch, device=text.device)
        uncond, cond = prediction[first], prediction[first + (rows - batch)]
        guided = uncond + guidance[:, None, None, None] * (cond - uncond)
        denoised = p * x + q * guided
        after = (
            a * x
            + b0 * denoised
            + b1 * history1.float()
            + b2 * history2.float()
            + b3 * history3.float()
            + b4 * history4.float()
            + c * noise.float()
        )
        return after.to(self.interface_dtype), denoised.to(self.interface_dtype)
