"""What float32's rounding does to a component: how far torch's own float32 is from float64 on its golden inputs.

Trained activations lose different numbers of digits: of two VAEs with the same layers, the latents of TAESD differ by
2e-6 of the largest one and those of TAESDXL by 3e-5. An exported graph sums in another order, and may lose as many
digits again in other places, but not many more; a graph that computes something else loses more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

from latentlink.engine.bundle import Probes
from latentlink.engine.quality import FLOAT32, Threshold, decibel
from latentlink.export.graphs import Component

MARGIN = 8.0
"""How many times torch's own distance from float64 a graph may be away from torch. Measured: at most 2, over the
components of all families, trained and random; one of the two may be the more accurate one by chance."""

LEAST, MOST = 2.0**-16, 1e-3
"""Limits of the accepted difference, as a share of the largest value: 128 units in float32's last place, for a network
that torch computes almost exactly, and the point where three digits are left."""

EVERY = 2
"""Every second golden input, which are of every size, is run in float64: that takes several times as long."""

LEAST_PICTURE = 65.0
"""dB that 8-bit pictures need at most: two numbers in a hundred round to the next level, or one in a picture of 8x8."""


class InFloat64(TorchFunctionMode):
    """Computes in float64, whatever the dtype of weights: each is widened where it is read, one at a time.

    So a network needs no second copy of its weights, which a large one has no memory for.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") == "__get__":  # shape, dtype and the like
            return func(*args, **kwargs)
        with torch._C.DisableTorchFunction():
            args, kwargs = tree_map(_widened, (args, kwargs))
        return (Tensor.double if func is Tensor.float else func)(*args, **kwargs)


def _widened(value: Any) -> Any:
    if isinstance(value, Tensor) and value.dtype == torch.float32:
        return value.double()
    return torch.float64 if value is torch.float32 else value


@contextmanager
def _in_float64() -> Iterator[None]:
    usual = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad(), InFloat64():
            yield
    finally:
        torch.set_default_dtype(usual)


def rounding_threshold(component: Component, probes: Probes) -> Threshold:
    """What a float32 graph of a component has to reach, from what rounding does to the component itself.

    The accepted difference is `MARGIN` times that of torch's float32 from torch's float64, within `LEAST` and `MOST`;
    pictures of 8 bits are compared by how many of their numbers round to another level. Running the same network in
    more digits measures its rounding errors directly (Higham, Accuracy and Stability of Numerical Algorithms, 2002,
    section 1.5).

    Args:
        component: The component; its module is still in float32.
        probes: Its golden inputs, and its outputs in float32.

    Returns:
        The threshold; that of all float32 engines where an operator has no float64.
    """
    worst = rms = flips = 0.0
    for probe in probes.probes[::EVERY]:
        inputs = [torch.from_numpy(np.array(probe.inputs[port.tensor])) for port in component.inputs]
        try:
            with _in_float64():
                outputs = component.module(*inputs)
        except (RuntimeError, TypeError):
            return FLOAT32
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        named = {port.tensor: tensor.numpy() for port, tensor in zip(component.outputs, outputs, strict=True)}
        for exact, rounded in probe.pairs(named):
            error = np.abs(exact.astype(np.float64) - rounded.astype(np.float64))
            if rounded.dtype == np.uint8:
                flips = max(flips, float(np.mean(error**2)))
            elif rounded.dtype == np.float32:
                peak = max(float(np.abs(rounded).max()), 1e-12)
                worst = max(worst, float(error.max()) / peak)
                rms = max(rms, float(np.sqrt(np.mean(error**2))) / peak)
    return Threshold(
        worst=_limited(MARGIN * worst),
        psnr=-20 * math.log10(_limited(MARGIN * rms)),
        picture_psnr=max(min(LEAST_PICTURE, decibel(255.0**2, MARGIN * flips)), FLOAT32.picture_psnr),
    )


def _limited(share: float) -> float:
    return min(max(share, LEAST), MOST)
