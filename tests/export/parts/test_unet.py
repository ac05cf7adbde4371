"""What guidance-distilled UNets read of the guidance scale, against diffusers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from diffusers import LatentConsistencyModelPipeline

from latentlink.export.parts.unet import guidance_embedding


@pytest.mark.parametrize("width", [256, 257])
def test_guidance_is_embedded_as_in_diffusers_whether_the_width_is_even_or_odd(width: int) -> None:
    unet = SimpleNamespace(config=SimpleNamespace(time_cond_proj_dim=width), dtype=torch.float32)
    w = torch.tensor([1.0, 3.5, 8.0])
    wanted = LatentConsistencyModelPipeline.get_guidance_scale_embedding(None, w - 1, embedding_dim=width)
    embedded = guidance_embedding(unet, (w,))
    assert embedded is not None
    # angles up to 7000 in float32, whose last bit is 5e-4
    torch.testing.assert_close(embedded, wanted, rtol=0, atol=2e-3)
