"""The denoiser as the whole sampling step: model, classifier-free guidance and the sampler's update in one graph."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from latentlink.export.graphs import TypedModule
from latentlink.ports import COEFFICIENTS, HISTORY, Port


class Step(TypedModule):
    """One row of a sampler's table for each picture of the batch.

    With the columns of `COEFFICIENTS` and `m` the guided prediction of the model:

        y  = x + (1 - mask) * ((keep - 1)*x + init*z + renoise*e)
        D  = p*y + q*m(c_in*y, t)
        x' = a*y + own*x + b0*D + b1*D1 + b2*D2 + b3*D3 + b4*D4 + c*noise

    Classifier-free guidance is `m = uncond + w * (cond - uncond)` (Ho and Salimans, 2022). It runs only if the text has
    two rows per picture (`[2B, S, D]`, unconditional first); with one row per picture (`[B, S, D]`) the same graph does
    half of the work, and `w` has no effect.

    Args:
        predict: The denoiser, `(latent [N, C, h, w], timestep float32 [N], *conditioning) -> [N, C, h, w]`. The
            conditioning is the tensors of the feature, text and condition ports, in their order, then w if it is
            embedded. If it also returns a feature, `[N, C', h, w]`, that becomes an output.
        ports: Input ports, in the order of `forward`'s arguments.
        interface_dtype: Dtype of tensors that pass between engines. The step's own arithmetic is float32.
    """

    def __init__(self, predict: nn.Module, ports: Sequence[Port], interface_dtype: torch.dtype) -> None:
        super().__init__(predict)
        self.interface_dtype = interface_dtype
        self.roles = tuple(_role(port) for port in ports)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Run the step.

        Args:
            tensors: One per port: latents interface dtype `[B, C, h, w]`, the mask float32 `[B, 1, h, w]`,
                features and text interface dtype `[N, C', h, w]` and `[N, S, D]`, conditions float32 `[N, k]`, guidance
                float32 `[B]`, coefficients float32 `[B, 15]`.

        Returns:
            x' and D, both of the latents' shape and dtype, and the feature if the denoiser returns one.
        """
        predicted = self.core(*self.before(*tensors))
        prediction, *features = predicted if isinstance(predicted, tuple) else (predicted,)
        return (*self.after(prediction, *tensors), *(feature.to(self.interface_dtype) for feature in features))

    def before(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """The model's inputs, one row per prediction; latent, feature and text in the core's dtype, others float32."""
        inputs = dict(zip(self.roles, tensors, strict=True))
        column = self._columns(inputs)
        y = column["c_in"] * self._blended(inputs, column)
        if "masked" in inputs:
            y = torch.cat([y, inputs["mask"], inputs["masked"].float()], dim=1)
        timestep = inputs["coefficients"][:, COEFFICIENTS.index("t")]
        prompts = [(role, inputs[role]) for role in inputs if role.startswith(("feature", "text", "condition"))]
        conditioning = [
            tensor if role.startswith("condition") else tensor.to(self.compute_dtype) for role, tensor in prompts
        ]
        if "cfg" in inputs:
            # Row n of these tensors belongs to picture n mod B. With gathers, B and the rows are independent free
            # dimensions for the exporter; chunk or repeat would tie them.
            batch, rows = y.shape[0], prompts[0][1].shape[0]
            picture = torch.arange(rows, device=y.device) % torch.full((1,), batch, device=y.device)
            y, timestep = y[picture], timestep[picture]
        if "embedded" in inputs:
            conditioning.append(inputs["embedded"])
        return (y.to(self.compute_dtype), timestep, *conditioning)

    def after(self, prediction: Tensor, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        """x' and D from the model's prediction, which has one row for each row of `before`."""
        inputs = dict(zip(self.roles, tensors, strict=True))
        column = self._columns(inputs)
        x, y = inputs["x"].float(), self._blended(inputs, column)
        guided = prediction.float()
        if "cfg" in inputs:
            batch, rows = x.shape[0], guided.shape[0]
            first = torch.arange(batch, device=x.device)
            uncond, cond = guided[first], guided[first + (rows - batch)]
            guided = uncond + inputs["cfg"][:, None, None, None] * (cond - uncond)
        denoised = column["p"] * y + column["q"] * guided
        after = column["a"] * y + column["own"] * x + column["b0"] * denoised + column["c"] * inputs["noise"].float()
        for age in range(1, HISTORY + 1):
            after = after + column[f"b{age}"] * inputs[f"history{age}"].float()
        return after.to(self.interface_dtype), denoised.to(self.interface_dtype)

    def _columns(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return {
            name: values[:, None, None, None]
            for name, values in zip(COEFFICIENTS, inputs["coefficients"].unbind(1), strict=True)
        }

    def _blended(self, inputs: dict[str, Tensor], column: dict[str, Tensor]) -> Tensor:
        """y: x where the mask is 1 (repaint), the picture at this row's noise level where it is 0 (keep)."""
        x = inputs["x"].float()
        if "init" not in inputs:
            return x
        picture = column["init"] * inputs["init"].float() + column["renoise"] * inputs["initnoise"].float()
        return x + (1 - inputs["mask"]) * ((column["keep"] - 1) * x + picture)


def _role(port: Port) -> str:
    """Role of a port in the step: its slot, its kind, or the kind of guidance."""
    if port.kind in ("text", "condition"):
        return port.tensor
    return {"latent": port.slot, "guidance": port.name}.get(port.kind, port.kind)
