"""Sizes of an engine's free dimensions, from what is said of the picture and from the model itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from latentlink.engine.bundle import ComponentEntry, Manifest
from latentlink.engine.sizes import PictureSizes, drawable, limits_of
from latentlink.errors import UsageError


def free_inputs(entry: ComponentEntry) -> set[str]:
    return {dim for port in entry.inputs for dim in port.shape if isinstance(dim, str)}


@pytest.mark.parametrize("component", ["text_encoder", "denoiser", "vae_decoder"])
def test_a_target_that_needs_them_gets_limits_of_every_dimension_that_is_read(
    small_manifest: Manifest, component: str
) -> None:
    limits = limits_of(small_manifest, component, PictureSizes(), every=True)
    assert free_inputs(small_manifest.components[component]) <= {*limits}
    assert limits_of(small_manifest, component, PictureSizes(), every=False) == {}


def test_they_are_the_models_own_size_and_small_batches_where_nothing_is_said(small_manifest: Manifest) -> None:
    limits = limits_of(small_manifest, "denoiser", PictureSizes(), every=True)
    assert limits == {"B": (1, 1, 4), "N": (1, 2, 8), "S": (77, 77, 77), "h": (64, 64, 64), "w": (64, 64, 64)}
    assert limits_of(small_manifest, "vae_decoder", PictureSizes(), every=True)["B"] == (1, 1, 1)


def test_what_is_said_of_the_picture_comes_first(small_manifest: Manifest) -> None:
    shapes = PictureSizes(width=(256, 512, 1024), height=(512, 512, 512), batch=(2, 2, 2))
    limits = limits_of(small_manifest, "denoiser", shapes, every=True)
    assert limits["w"] == (32, 64, 128)
    assert limits["h"] == (64, 64, 64)
    assert (limits["B"], limits["N"]) == ((2, 2, 2), (2, 4, 4))


def test_prompts_that_are_read_in_pieces_may_be_longer(small_manifest: Manifest) -> None:
    encoder = small_manifest.components["text_encoder"]
    assert encoder.tokenizer is not None
    chunked = replace(encoder, tokenizer=replace(encoder.tokenizer, overflow="chunk"))
    manifest = replace(small_manifest, components={**small_manifest.components, "text_encoder": chunked})
    assert limits_of(manifest, "denoiser", PictureSizes(), every=True)["S"] == (77, 77, 308)
    without = {name: entry for name, entry in manifest.components.items() if name != "text_encoder"}
    alone = replace(manifest, components=without)
    assert limits_of(alone, "denoiser", PictureSizes(), every=True)["S"] == (77, 77, 308)


def test_a_side_that_the_model_cannot_have_is_refused(small_manifest: Manifest) -> None:
    with pytest.raises(UsageError, match="500 is not a size for this model: expected multiples of 64"):
        limits_of(small_manifest, "denoiser", PictureSizes(width=(500, 500, 500)), every=False)


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        (PictureSizes(), (64, 64)),
        (PictureSizes(width=(96, 96, 96), height=(32, 48, 128)), (96, 64)),
        (PictureSizes(width=(96, 128, 160), height=(16, 16, 16)), (128, 16)),
    ],
)
def test_the_default_size_of_a_bundle_is_one_that_its_engines_draw(
    small_manifest: Manifest, sizes: PictureSizes, expected: tuple[int, int]
) -> None:
    sampling = replace(small_manifest.sampling, width=64, height=64, size_multiple=8)
    found = drawable(sampling, sizes)
    assert (found.width, found.height) == expected
    assert replace(found, width=64, height=64) == sampling


def test_a_default_size_that_no_bundle_may_have_is_refused_before_anything_is_built(small_manifest: Manifest) -> None:
    with pytest.raises(UsageError, match="would draw 4096x4096 where no size is requested; expected at most 4194304"):
        drawable(small_manifest.sampling, PictureSizes(width=(4096,) * 3, height=(4096,) * 3))
