"""The step graph in torch against its formula in numpy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from latentlink.export.parts.step import Step
from latentlink.ports import (
    HISTORY,
    Port,
    coefficients_port,
    condition_port,
    guidance_port,
    latent_port,
    mask_port,
    text_port,
)
from latentlink.spaces import LatentSpace, TextEmbedding

SPACE = LatentSpace(name="tiny", channels=4, downscale=2)
LATENT = latent_port(SPACE)
TEXT = text_port(TextEmbedding(name="words", width=3))
STATE = (LATENT.at("x"), *(LATENT.at(f"history{age}") for age in range(1, HISTORY + 1)), LATENT.at("noise"))
BLENDING = (LATENT.at("init"), LATENT.at("initnoise"), mask_port(2))
PORTS = (*STATE, *BLENDING, TEXT, guidance_port(), coefficients_port())


class Fake(nn.Module):
    """A denoiser that uses everything it gets, nonlinearly."""

    def forward(self, latent: Tensor, timestep: Tensor, text: Tensor) -> Tensor:
        shift = torch.sin(timestep / 100) + text.mean((1, 2))
        return torch.tanh(0.7 * latent + shift[:, None, None, None])


def tensors(batch: int, rows: int, ports: Sequence[Port] = PORTS, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sizes = {"B": batch, "N": rows, "S": 7, "h": 6, "w": 5}
    shapes = [[sizes[dim] if isinstance(dim, str) else dim for dim in port.shape] for port in ports]
    made = [torch.randn(shape, generator=generator) for shape in shapes]
    return [
        torch.linspace(2, 5, batch) if port.kind == "guidance" else (t > 0).float() if port.kind == "mask" else t
        for port, t in zip(ports, made, strict=True)
    ]


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("branches", [1, 2])
def test_a_step_is_its_formula_for_each_picture_of_the_batch(batch: int, branches: int) -> None:
    given = tensors(batch, branches * batch)
    after, denoised = Step(Fake(), PORTS, torch.float32)(*given)
    x, *history, noise, init, initnoise, mask, text, guidance, rows = (value.double().numpy() for value in given)
    for n in range(batch):
        t, c_in, p, q, a, *b, c, own, keep, k, r = rows[n]
        y = x[n] + (1 - mask[n]) * ((keep - 1) * x[n] + k * init[n] + r * initnoise[n])
        predictions = [
            np.tanh(0.7 * c_in * y + np.sin(t / 100) + text[n + branch * batch].mean()) for branch in range(branches)
        ]
        guided = predictions[0] + guidance[n] * (predictions[-1] - predictions[0])
        D = p * y + q * guided
        older = sum(b[k + 1] * history[k][n] for k in range(HISTORY))
        wanted = a * y + own * x[n] + b[0] * D + older + c * noise[n]
        # float32 against float64, sums of ten terms of size one
        np.testing.assert_allclose(denoised[n].numpy(), D, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(after[n].numpy(), wanted, rtol=1e-5, atol=2e-5)


def test_a_network_that_reads_masks_gets_the_mask_and_what_is_around_it_beside_the_latent() -> None:
    ports = (*STATE, LATENT.at("masked"), mask_port(2), TEXT, guidance_port(), coefficients_port())
    seen: list[Tensor] = []

    class Spy(nn.Module):
        def forward(self, latent: Tensor, timestep: Tensor, text: Tensor) -> Tensor:
            seen.append(latent)
            return latent[:, :4]

    given = tensors(2, 4, ports)
    Step(Spy(), ports, torch.float32)(*given)
    x, masked, mask, c_in = given[0], given[6], given[7], given[-1][:, 1, None, None, None]
    assert torch.equal(seen[0], torch.cat([c_in * x, mask, masked], 1)[[0, 1, 0, 1]])


def test_embedded_guidance_reaches_the_network_and_no_row_is_doubled() -> None:
    ports = (*STATE, *BLENDING, text_port(TextEmbedding(name="words", width=3), rows="B"), guidance_port("embedded"))
    ports = (*ports, coefficients_port())
    seen: list[Tensor] = []

    class Spy(nn.Module):
        def forward(self, latent: Tensor, timestep: Tensor, text: Tensor, w: Tensor) -> Tensor:
            seen.extend([latent, w])
            return latent

    given = tensors(3, 3, ports)
    Step(Spy(), ports, torch.float32)(*given)
    assert len(seen[0]) == 3
    assert torch.equal(seen[1], given[-2])


def test_conditions_stay_float32_and_follow_the_texts() -> None:
    ports = (*STATE, *BLENDING, TEXT, condition_port("size", 2), guidance_port(), coefficients_port())
    seen: list[Tensor] = []

    class Spy(nn.Module):
        def forward(self, latent: Tensor, timestep: Tensor, text: Tensor, size: Tensor) -> Tensor:
            seen.extend([text, size])
            return latent

    given = tensors(1, 2, ports)
    Step(Spy(), ports, torch.float32).compute_in(torch.bfloat16)(*given)
    assert seen[0].dtype == torch.bfloat16
    assert torch.equal(seen[1], given[-3])


def test_guidance_has_no_effect_where_there_is_one_row_of_text_a_picture() -> None:
    given = tensors(2, 2)
    other = [*given[:-2], given[-2] * 100, given[-1]]
    step = Step(Fake(), PORTS, torch.float32)
    assert torch.equal(step(*given)[0], step(*other)[0])


def test_the_core_computes_in_half_precision_while_the_step_stays_float32() -> None:
    seen: list[torch.dtype] = []

    class Spy(nn.Module):
        def forward(self, latent: Tensor, timestep: Tensor, text: Tensor) -> Tensor:
            seen.extend([latent.dtype, timestep.dtype, text.dtype])
            return latent

    after, _ = Step(Spy(), PORTS, torch.float32).compute_in(torch.bfloat16)(*tensors(1, 2))
    assert seen == [torch.bfloat16, torch.float32, torch.bfloat16]
    assert after.dtype == torch.float32


def test_the_interface_dtype_is_what_leaves_the_step() -> None:
    after, denoised = Step(Fake(), PORTS, torch.float16)(*tensors(1, 2))
    assert after.dtype == denoised.dtype == torch.float16
