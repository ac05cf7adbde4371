"""The judgement of a replacement on golden inputs, on components that are a few numbers."""

from __future__ import annotations

import numpy as np
import pytest

from latentlink.engine.bundle import Arrays, Probe, Probes
from latentlink.ports import image_port, latent_port
from latentlink.runtime.probing.candidate import judge
from latentlink.spaces import LatentSpace

LATENT = latent_port(LatentSpace(name="one", channels=2, downscale=8))
IMAGE = image_port()


def test_a_decoder_that_fails_on_shifted_latents_is_refused_and_no_internal_error() -> None:
    z = np.linspace(-1, 1, 32, dtype=np.float32).reshape(1, 2, 4, 4)
    golden = (100 + 50 * np.stack([z[:, 0], z[:, 1], z[:, 0]], axis=-1)).astype(np.uint8)
    probe = Probe(name="ramp", inputs={LATENT.tensor: z}, outputs={IMAGE.tensor: golden})

    def run(inputs: Arrays) -> Arrays:
        fails = not np.array_equal(inputs[LATENT.tensor], z)
        return {IMAGE.tensor: np.full(golden.shape, np.nan) if fails else golden.astype(np.float32) + 5}

    found = judge(Probes(reference="torch", probes=(probe,)), run, (LATENT,), (IMAGE,))
    assert not found.accepted
    assert "no finite numbers for latents that are shifted by 0.25 standard deviations" in found.summary()


@pytest.mark.parametrize(("factor", "accepted"), [(1.0, True), (1.35, False)])
def test_an_encoder_is_judged_though_one_of_its_outputs_is_a_sample(factor: float, accepted: bool) -> None:
    draw = np.random.default_rng(0)
    whole, large = (draw.standard_normal((1, 2, side, side)).astype(np.float32) for side in (8, 200))
    image = np.zeros((1, 8, 8, 3), np.uint8)
    outputs = iter((whole * factor, large * factor))
    probes = tuple(
        Probe.from_outputs(name=name, inputs={IMAGE.tensor: image}, outputs={LATENT.tensor: z})
        for name, z in (("small", whole), ("large", large))
    )
    noise = draw.standard_normal

    def run(inputs: Arrays) -> Arrays:
        z = next(outputs)
        return {LATENT.tensor: z + 0.1 * noise(z.shape)}

    found = judge(Probes(reference="torch", probes=probes), run, (IMAGE,), (LATENT,))
    assert found.accepted is accepted
    assert found.factor == pytest.approx(1 / factor, rel=0.05)
