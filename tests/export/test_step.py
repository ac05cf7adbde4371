"""The step graph in torch against its formula in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from latentlink.export.step import Step
from latentlink.ports import HISTORY


class Fake(nn.Module):
    """A denoiser that uses everything it gets, nonlinearly."""

    def forward(self, latent: Tensor, timestep: Tensor, text: Tensor) -> Tensor:
        shift = torch.sin(timestep / 100) + text.mean((1, 2))
        return torch.tanh(0.7 * latent + shift[:, None, None, None])


def tensors(batch: int, rows: int, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    latents = [torch.randn(batch, 4, 6, 5, generator=generator) for _ in range(HISTORY + 2)]
    return [
        *latents,
        torch.randn(rows, 7, 3, generator=generator),
        torch.linspace(2, 5, batch),
        torch.randn(batch, 11, generator=generator),
    ]


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("branches", [1, 2])
def test_a_step_is_its_formula_for_each_picture_of_the_batch(batch: int, branches: int) -> None:
    given = tensors(batch, branches * batch)
    after, denoised = Step(Fake(), torch.float32)(*given)
    x, *history, noise, text, guidance, rows = (value.double().numpy() for value in given)
    for n in range(batch):
        t, c_in, p, q, a, *b, c = rows[n]
        predictions = [
            np.tanh(0.7 * c_in * x[n] + np.sin(t / 100) + text[n + branch * batch].mean()) for branch in range(branches)
        ]
        guided = predictions[0] + guidance[n] * (predictions[-1] - predictions[0])
        D = p * x[n] + q * guided
        wanted = a * x[n] + b[0] * D + sum(b[k + 1] * history[k][n] for k in range(HISTORY)) + c * noise[n]
        # float32 against float64, sums of eight terms of size one
        np.testing.assert_allclose(denoised[n].numpy(), D, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(after[n].numpy(), wanted, rtol=1e-5, atol=2e-5)


def test_guidance_has_no_effect_where_there_is_one_row_of_text_a_picture() -> None:
    given = tensors(2, 2)
    other = [*given[:-2], given[-2] * 100, given[-1]]
    step = Step(Fake(), torch.float32)
    assert torch.equal(step(*given)[0], step(*other)[0])


def test_the_core_computes_in_half_precision_while_the_step_stays_float32() -> None:
    seen: list[torch.dtype] = []

    class Spy(nn.Module):
        def forward(self, latent: Tensor, timestep: Tensor, text: Tensor) -> Tensor:
            seen.extend([latent.dtype, timestep.dtype, text.dtype])
            return latent

    after, _ = Step(Spy(), torch.float32).compute_in(torch.bfloat16)(*tensors(1, 2))
    assert seen == [torch.bfloat16, torch.float32, torch.bfloat16]
    assert after.dtype == torch.float32


def test_the_interface_dtype_is_what_leaves_the_step() -> None:
    after, denoised = Step(Fake(), torch.float16)(*tensors(1, 2))
    assert after.dtype == denoised.dtype == torch.float16
