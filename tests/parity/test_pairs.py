"""Every denoiser with every other model's decoder."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

import latentlink
from latentlink.errors import LinkError
from tests.parity.suite import SPACES, VARIANTS

pytestmark = pytest.mark.slow


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    whole = metafunc.config.getoption("--write-table", default=None) is not None
    listed = [size for size in SPACES if whole or size not in VARIANTS]
    metafunc.parametrize(("denoiser", "decoder"), [*product(listed, listed)])


def test_a_denoiser_links_with_the_decoders_of_its_latent_space_and_no_other(
    denoiser: str, decoder: str, bundle_of: Callable[[str], Any]
) -> None:
    ours, theirs = bundle_of(denoiser).bundle, bundle_of(decoder).vae
    if SPACES[denoiser] == SPACES[decoder]:
        with latentlink.load(ours, replace={"vae_decoder": theirs}) as pipe:
            assert pipe.space.name == SPACES[denoiser]
    else:
        with pytest.raises(LinkError, match="vae_decoder"):
            latentlink.load(ours, replace={"vae_decoder": theirs})
