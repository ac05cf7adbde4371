"""The linker on engines that are nothing but their ports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from latentlink.errors import BundleError, LinkError
from latentlink.ports import (
    HISTORY,
    Port,
    coefficients_port,
    guidance_port,
    image_port,
    latent_port,
    text_port,
    tokens_port,
)
from latentlink.runtime.linking import Engine
from latentlink.runtime.linking.link import Describe, link
from latentlink.runtime.sessions import Session
from latentlink.spaces import LatentSpace, TextEmbedding

ONE = LatentSpace(name="one", channels=4, downscale=8, scaling=0.55, weights="1" * 64)
OTHER = LatentSpace(name="other", channels=4, downscale=8, scaling=0.71, weights="2" * 64)
TEXT = TextEmbedding(name="words", width=64, weights="3" * 64)


@dataclass(frozen=True)
class Ports:
    """A session that is opened but never run."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


def engine(component: str, bundle: str, inputs: Sequence[Port], outputs: Sequence[Port]) -> Engine:
    ports = (tuple(inputs), tuple(outputs))
    return Engine(component=component, bundle=bundle, session=cast(Session, Ports(*ports)), declared=ports, limits={})


def denoiser(space: LatentSpace = ONE, text: TextEmbedding = TEXT, dtype: str = "float32") -> Engine:
    latent = latent_port(space, dtype)
    history = [latent.at(f"history{age}") for age in range(1, HISTORY + 1)]
    reads = [latent.at("x"), *history, latent.at("noise"), text_port(text, dtype), guidance_port()]
    return engine("denoiser", "a", [*reads, coefficients_port()], [latent, latent.at("denoised")])


def text_encoder(text: TextEmbedding = TEXT, dtype: str = "float32", bundle: str = "a") -> Engine:
    return engine("text_encoder", bundle, [tokens_port("words", 77, "0" * 64)], [text_port(text, dtype)])


def decoder(space: LatentSpace = ONE, dtype: str = "float32", bundle: str = "a") -> Engine:
    return engine("vae_decoder", bundle, [latent_port(space, dtype)], [image_port()])


def encoder(space: LatentSpace = ONE, dtype: str = "float32", bundle: str = "a") -> Engine:
    latent = latent_port(space, dtype)
    return engine("vae_encoder", bundle, [image_port(), latent.at("noise")], [latent])


def describe(*records: LatentSpace | TextEmbedding) -> Describe:
    return lambda port: next((r for r in records if (r.name, r.digest) == (port.name, port.digest)), None)


ALL = describe(ONE, OTHER, TEXT)


def test_engines_of_one_model_link() -> None:
    linked = link([text_encoder(), denoiser(), decoder(), encoder()], ALL)
    assert linked.latent == latent_port(ONE)
    assert linked.encoder is not None
    assert [e.component for e, _ in linked.texts.values()] == ["text_encoder"]


def test_a_bundle_without_an_encoder_links() -> None:
    assert link([text_encoder(), denoiser(), decoder()], ALL).encoder is None


def test_a_decoder_of_another_space_is_refused_with_both_spaces_the_numbers_and_the_remedy() -> None:
    with pytest.raises(LinkError) as refused:
        link([text_encoder(), denoiser(), decoder(OTHER, bundle="b")], ALL)
    text = str(refused.value)
    assert 'vae_decoder of b reads latent space "other"' in text
    assert 'denoiser of a writes "one"' in text
    assert "scaling (0.71 and 0.55)" in text
    assert "latentlink transfer --from a --to b" in text
    assert refused.value.status == 3


def test_a_space_of_the_same_name_and_other_numbers_is_refused() -> None:
    impostor = replace(OTHER, name="one")
    with pytest.raises(LinkError, match="scaling"):
        link([text_encoder(), denoiser(), decoder(impostor)], describe(ONE, impostor, TEXT))


def test_a_refusal_without_records_still_names_what_the_engines_say() -> None:
    with pytest.raises(LinkError) as refused:
        link([text_encoder(), denoiser(), decoder(OTHER, bundle="b")], describe())
    assert OTHER.digest in str(refused.value)
    assert ONE.digest in str(refused.value)


def test_an_encoder_of_another_space_is_refused() -> None:
    with pytest.raises(LinkError, match='vae_encoder of b writes "other"'):
        link([text_encoder(), denoiser(), decoder(), encoder(OTHER, bundle="b")], ALL)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(TextEmbedding(name="words", width=96, weights="3" * 64), id="other dimensions"),
        pytest.param(TextEmbedding(name="words", width=64, weights="4" * 64), id="other weights"),
        pytest.param(TextEmbedding(name="speech", width=64, weights="3" * 64), id="another name"),
        pytest.param(TextEmbedding(name="words", width=64, output="penultimate", weights="3" * 64), id="other layer"),
    ],
)
def test_a_text_encoder_that_writes_something_else_is_refused(other: TextEmbedding) -> None:
    with pytest.raises(LinkError, match="text embedding"):
        link([text_encoder(other, bundle="b"), denoiser(), decoder()], describe(ONE, TEXT, other))


def test_a_pipeline_without_a_text_encoder_is_refused() -> None:
    with pytest.raises(LinkError, match="no engine writes any"):
        link([denoiser(), decoder()], ALL)


def test_engines_of_different_interface_dtypes_do_not_link() -> None:
    with pytest.raises(LinkError, match="--io-dtype"):
        link([text_encoder(), denoiser(), decoder(dtype="float16")], ALL)


def test_static_sizes_that_differ_do_not_link() -> None:
    fixed = decoder()
    port = replace(fixed.session.inputs[0], shape=("B", 4, 64, 64))
    small = decoder()
    writer = denoiser()
    wide = tuple(replace(p, shape=("B", 4, 32, 32)) if p.kind == "latent" else p for p in writer.session.outputs)
    reader = replace(small, session=cast(Session, Ports((port,), fixed.session.outputs)))
    with pytest.raises(LinkError, match="of shape"):
        link([text_encoder(), replace(writer, session=cast(Session, Ports(writer.session.inputs, wide))), reader], ALL)


def test_a_manifest_that_declares_other_ports_than_the_engine_has_is_refused() -> None:
    honest = decoder()
    lying: Any = (tuple(replace(p, digest="00000000") for p in honest.declared[0]), honest.declared[1])
    with pytest.raises(BundleError) as refused:
        link([text_encoder(), denoiser(), replace(honest, declared=lying)], ALL)
    assert refused.value.status == 4


def test_an_engine_may_have_its_tensors_in_another_order_than_its_manifest() -> None:
    honest = denoiser()
    turned = Ports(honest.session.inputs[::-1], honest.session.outputs[::-1])
    assert link([text_encoder(), replace(honest, session=cast(Session, turned)), decoder()], ALL)


def test_a_wrong_decoder_stays_refused_when_its_manifest_is_edited_to_say_the_right_space() -> None:
    wrong = decoder(OTHER, bundle="b")
    edited = replace(wrong, declared=decoder(ONE).declared)
    with pytest.raises(LinkError, match='reads latent space "other"'):
        link([text_encoder(), denoiser(), edited], ALL)


def test_a_denoiser_whose_history_is_of_another_space_is_refused() -> None:
    honest = denoiser()
    inputs = tuple(latent_port(OTHER).at(p.slot) if p.slot == "history2" else p for p in honest.session.inputs)
    mixed = replace(honest, session=cast(Session, Ports(inputs, honest.session.outputs)))
    with pytest.raises(BundleError, match="history2"):
        link([text_encoder(), mixed, decoder()], ALL)


def test_two_denoisers_are_refused() -> None:
    with pytest.raises(LinkError, match="has one denoiser"):
        link([text_encoder(), denoiser(), denoiser(), decoder()], ALL)
