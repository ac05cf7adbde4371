"""Transfer between the two demo bundles: what is moved, resized and measured, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import latentlink
from latentlink.demo.draw import draw
from latentlink.demo.grammar import held_out
from latentlink.engine.quality import psnr
from latentlink.errors import LinkError, UsageError
from latentlink.runtime import Latents, Pipeline
from latentlink.runtime.request import nearest


@pytest.fixture(scope="module")
def drawn(demo: Pipeline) -> Latents:
    """Latents of two drawings, which the VAEs rebuild at more than 26 dB."""
    rng = np.random.default_rng(0)
    return demo.encode([draw(scene, "flat", rng) for scene in held_out()[:2]])


def array(image: Image.Image) -> np.ndarray:
    return np.asarray(image)


def test_the_loss_is_that_of_the_destinations_decode_against_the_sources(
    demo: Pipeline, demo_b: Pipeline, drawn: Latents
) -> None:
    moved = latentlink.transfer(drawn, source=demo, destination=demo_b)
    pairs = zip(demo.decode(drawn), demo_b.decode(moved.latents), strict=True)
    assert moved.psnrs == tuple(psnr(array(before), array(after)) for before, after in pairs)
    assert min(moved.psnrs) > 25  # the VAEs rebuild drawings at more than 26 dB; forced, it is 8 to 10
    assert min(moved.psnrs) <= moved.psnr <= max(moved.psnrs)
    assert (moved.decoded_by, moved.encoded_by, moved.resized) == ("demo", "demo-b", None)
    assert moved.latents.space == demo_b.space
    assert not moved.direct


def test_within_one_space_latents_are_handed_over_as_they_are(demo: Pipeline, drawn: Latents) -> None:
    for level in ((1.0, 0.0), (0.6, 0.8)):
        given = replace(drawn, level=level)
        moved = latentlink.transfer(given, source=demo, destination=demo, width=64, fit=True)
        assert moved.direct
        assert moved.latents is given
        assert (moved.psnr, moved.psnrs, moved.encoded_by) == (float("inf"), (), None)


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ({"width": 96}, (96, 96)),
        ({"height": 32}, (32, 32)),
        ({"width": 96, "height": 64}, (96, 64)),
        ({"width": 90, "fit": True}, (96, 96)),
        ({"width": 1, "fit": True}, (16, 16)),
        ({"width": 72, "height": 71, "fit": True}, (80, 64)),
    ],
)
def test_pictures_are_resized_on_the_way_also_within_one_space(
    demo: Pipeline, drawn: Latents, asked: dict[str, Any], size: tuple[int, int]
) -> None:
    moved = latentlink.transfer(drawn, source=demo, destination=demo, **asked)
    assert moved.resized == ((64, 64), size)
    assert moved.latents.array.shape == (2, 4, size[1] // 8, size[0] // 8)
    wanted = [image.resize(size, Image.Resampling.LANCZOS) for image in demo.decode(drawn)]
    again = demo.decode(moved.latents)
    assert moved.psnrs == tuple(psnr(array(a), array(b)) for a, b in zip(wanted, again, strict=True))


def test_a_size_that_the_destination_does_not_take_is_refused_with_the_ways_to_another(
    demo: Pipeline, demo_b: Pipeline, drawn: Latents
) -> None:
    cut = replace(drawn, array=drawn.array[..., :7])
    with pytest.raises(UsageError, match=r"multiples of 16, and this one is 56x64\. .*fit=True.*width and height"):
        latentlink.transfer(cut, source=demo, destination=demo_b)
    moved = latentlink.transfer(cut, source=demo, destination=demo_b, fit=True)
    assert moved.resized == ((56, 64), (64, 64))
    with pytest.raises(UsageError, match="width is 0"):
        latentlink.transfer(drawn, source=demo, destination=demo_b, width=0)


def test_the_nearest_side_is_within_what_every_engine_was_built_for(demo: Pipeline) -> None:
    bounded = [
        replace(demo.engines[0], limits={"W": (40, 64, 200)}),
        replace(demo.engines[0], limits={"w": (4, 8, 20), "H": (1, 1, 1)}),
    ]

    def side(asked: int) -> int | None:
        return nearest(bounded, ("W", "w"), asked, multiple=16, downscale=8)

    assert [side(asked) for asked in (1, 48, 55, 56, 500)] == [48, 48, 48, 64, 160]
    assert nearest(bounded, ("H", "h"), 64, multiple=16, downscale=8) is None


def test_latents_that_the_source_does_not_read_are_refused(demo: Pipeline, demo_b: Pipeline, drawn: Latents) -> None:
    with pytest.raises(LinkError, match="demo reads them as they are: there is nothing to transfer"):
        latentlink.transfer(drawn, source=demo_b, destination=demo)
    with pytest.raises(LinkError, match='Take a bundle of space "demo" as the source'):
        latentlink.transfer(drawn, source=demo_b, destination=demo_b)
    with pytest.raises(UsageError, match="Received ndarray for latents"):
        latentlink.transfer(drawn.array, source=demo, destination=demo_b)  # type: ignore[arg-type]


def test_half_way_latents_are_not_decoded_to_be_moved(demo: Pipeline, demo_b: Pipeline, drawn: Latents) -> None:
    half = replace(drawn, level=(0.6, 0.8))
    with pytest.raises(UsageError, match="are half way"):
        latentlink.transfer(half, source=demo, destination=demo_b)
    with pytest.raises(UsageError, match="are half way"):
        latentlink.transfer(half, source=demo, destination=demo, width=96)
