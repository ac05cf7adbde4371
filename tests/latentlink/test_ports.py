"""Symbols: what is written into a tensor's name is read back, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentlink.errors import SymbolError
from latentlink.ports import DTYPES, KINDS, Port, image_port, latent_port, text_port
from latentlink.spaces import KNOWN_SPACES, LatentSpace, TextEmbedding

names = st.from_regex(r"[a-z0-9]{1,6}([-_.][a-z0-9]{1,6}){0,3}", fullmatch=True)
layouts = st.lists(st.tuples(st.sampled_from("abcdfl"), st.integers(1, 999_999)), min_size=1, max_size=4).map(tuple)
shapes = st.lists(st.one_of(st.integers(1, 4096), st.sampled_from(["B", "h", "w", "S"])), max_size=5).map(tuple)
ports = st.builds(
    Port,
    kind=st.sampled_from(KINDS),
    name=names,
    layout=layouts,
    dtype=st.sampled_from(DTYPES),
    digest=st.from_regex(r"[0-9a-f]{8}", fullmatch=True),
    slot=st.one_of(st.just(""), st.from_regex(r"[a-z]{1,8}[0-9]{0,2}", fullmatch=True)),
    shape=shapes,
)


@given(ports)
def test_a_port_is_read_back_from_its_tensor_name_and_shape(port: Port) -> None:
    assert Port.parse(port.tensor, port.shape) == port


@given(ports)
def test_the_slot_is_no_part_of_the_symbol(port: Port) -> None:
    assert port.at("noise").symbol == port.at("").symbol == port.symbol
    assert port.at("noise").tensor == f"{port.symbol}__noise"


@given(st.text(max_size=80))
def test_any_other_name_is_refused_in_one_sentence_or_is_a_symbol(text: str) -> None:
    try:
        port = Port.parse(text)
    except SymbolError as error:
        assert str(error)
    else:
        assert port.tensor == text


@pytest.mark.parametrize(
    "text",
    [
        "sample",
        "latent__sd__c4_f8__float32",
        "latent__sd__c4_f8__float32__1f0c9a2e__",
        "latent__sd__c04_f8__float32__1f0c9a2e",
        "latent__sd__c4_f8__float64__1f0c9a2e",
        "latent__SD__c4_f8__float32__1f0c9a2e",
        "latent__sd__c4_f8__float32__1f0c9a2e__noise__x",
        "latent__sd__c4_f8__float32__1F0C9A2E",
    ],
)
def test_a_name_that_is_nearly_a_symbol_is_refused(text: str) -> None:
    with pytest.raises(SymbolError):
        Port.parse(text)


def test_spaces_of_equal_shape_and_dtype_have_different_symbols() -> None:
    sd, sdxl = latent_port(KNOWN_SPACES["sd"]), latent_port(KNOWN_SPACES["sdxl"])
    assert (sd.shape, sd.dtype, sd.layout) == (sdxl.shape, sdxl.dtype, sdxl.layout)
    assert sd.symbol != sdxl.symbol
    # not only by name: a renamed space keeps its digest
    renamed = LatentSpace(name="sd", channels=4, downscale=8, scaling=0.13025)
    assert latent_port(renamed).symbol != sd.symbol


def test_interface_dtype_is_part_of_the_symbol() -> None:
    embedding = TextEmbedding(name="clip_l", width=768)
    assert text_port(embedding, "float16").symbol != text_port(embedding, "float32").symbol


def test_the_image_port_says_rgb_in_the_layout_height_width_channels() -> None:
    assert image_port().shape == ("B", "H", "W", 3)
    assert image_port().dtype == "uint8"
