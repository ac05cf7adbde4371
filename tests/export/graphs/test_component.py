"""Given a component whose network fails or computes no numbers, when it is run, then the checkpoint is blamed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from latentlink.errors import CheckpointError
from latentlink.export.graphs import Component
from latentlink.export.graphs.typed import TypedModule
from latentlink.ports import latent_port
from latentlink.spaces import KNOWN_SPACES

LATENT = latent_port(KNOWN_SPACES["sd"], "float32")


class Computes(TypedModule):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__(torch.nn.Identity())
        self.function = function

    def forward(self, latent: Tensor) -> Tensor:
        return self.function(latent)


def component(function: Callable[[Tensor], Tensor]) -> Component:
    return Component(name="denoiser", module=Computes(function).eval(), inputs=(LATENT,), outputs=(LATENT,))


X = torch.ones(1, 4, 2, 2)


def test_outputs_are_in_the_order_of_ports_and_have_no_gradients() -> None:
    weight = torch.nn.Parameter(torch.tensor(2.0))
    (found,) = component(lambda latent: latent * weight).run((X,))
    assert not found.requires_grad
    assert torch.equal(found, 2 * X)


@pytest.mark.parametrize("function", [lambda x: x @ torch.ones(3, 3), lambda x: x + "1", lambda x: x[:, [9]]])
def test_an_error_of_the_network_is_one_sentence(function: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(CheckpointError, match=r"The checkpoint's denoiser cannot compute: .*Check its config"):
        component(function).run((X,))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_refused_before_they_are_compared(value: float) -> None:
    with pytest.raises(CheckpointError, match="denoiser computes NaN or infinity in float32"):
        component(lambda x: x * value).run((X,))
