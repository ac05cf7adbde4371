"""What both linkers are asked: engines that are nothing but their ports, and the verdict on them.

`linking.json` holds engines, records that stand behind their symbols, and for every case what the Python runtime's
linker says of some of them: how it connects them, or the error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from latentlink.errors import LatentLinkError
from latentlink.ports import (
    HISTORY,
    Port,
    coefficients_port,
    feature_port,
    guidance_port,
    image_port,
    latent_port,
    text_port,
    tokens_port,
)
from latentlink.runtime.linking import Engine, Linked, LinkedVae
from latentlink.runtime.linking.link import Describe, link, link_vae
from latentlink.runtime.sessions import Session
from latentlink.spaces import LatentSpace, TextEmbedding

Record = LatentSpace | TextEmbedding

ONE = LatentSpace(name="one", channels=4, downscale=8, scaling=0.55, weights="1" * 64)
OTHER = LatentSpace(name="other", channels=4, downscale=8, scaling=0.71, weights="2" * 64)
NORMED = LatentSpace(name="one", channels=4, downscale=8, mean=(0.1, 0.2, 0.3, 0.4), std=(1.0, 2.0, 1.5, 1.0))
NARROW = LatentSpace(name="one", channels=1, downscale=8, shift=0.125, mean=(0.5,), weights="1" * 64)
TEXT = TextEmbedding(name="words", width=64, weights="3" * 64)
CUT = "0badcafe"
POOLED = TextEmbedding(name="words", width=64, output="pooled", weights="3" * 64)


@dataclass(frozen=True)
class Ports:
    """A session that is opened but never run."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


def engine(component: str, bundle: str, inputs: Sequence[Port], outputs: Sequence[Port]) -> Engine:
    """An engine whose manifest declares its own ports."""
    ports = (tuple(inputs), tuple(outputs))
    return Engine(component=component, bundle=bundle, session=cast(Session, Ports(*ports)), declared=ports, limits={})


def with_ports(one: Engine, inputs: Sequence[Port] | None = None, outputs: Sequence[Port] | None = None) -> Engine:
    """The engine with other ports than its manifest declares."""
    real = Ports(tuple(inputs or one.session.inputs), tuple(outputs or one.session.outputs))
    return replace(one, session=cast(Session, real))


def denoiser(
    space: LatentSpace = ONE, texts: Sequence[TextEmbedding] = (TEXT,), dtype: str = "float32", feature: str = ""
) -> Engine:
    """A denoiser; one that can be cut writes a feature of this digest."""
    latent = latent_port(space, dtype)
    history = [latent.at(f"history{age}") for age in range(1, HISTORY + 1)]
    reads = [latent.at("x"), *history, latent.at("noise"), *(text_port(text, dtype) for text in texts)]
    writes = [
        latent,
        latent.at("denoised"),
        *([feature_port(32, 16, 2, feature, rows="N", dtype=dtype)] if feature else []),
    ]
    return engine("denoiser", "a", [*reads, guidance_port(), coefficients_port()], writes)


def shallow(space: LatentSpace = ONE, feature: str = CUT) -> Engine:
    """The shallow denoiser of one that writes this feature."""
    whole = denoiser(space, feature=feature)
    inputs = [*whole.session.inputs, whole.session.outputs[-1]]
    return engine("denoiser_shallow", "a", inputs, whole.session.outputs[:2])


def text_encoder(*texts: TextEmbedding, dtype: str = "float32", bundle: str = "a") -> Engine:
    """A text encoder."""
    outputs = [text_port(text, dtype) for text in texts or (TEXT,)]
    return engine("text_encoder", bundle, [tokens_port("words", 77, "0" * 64)], outputs)


def decoder(space: LatentSpace = ONE, dtype: str = "float32", bundle: str = "a") -> Engine:
    """The decoder of a space."""
    return engine("vae_decoder", bundle, [latent_port(space, dtype)], [image_port()])


def encoder(space: LatentSpace = ONE, dtype: str = "float32", bundle: str = "a") -> Engine:
    """The encoder of a space."""
    latent = latent_port(space, dtype)
    return engine("vae_encoder", bundle, [image_port(), latent.at("noise")], [latent])


def describe(*records: Record) -> Describe:
    """Looks records up as a manifest does."""
    return lambda port: next((r for r in records if (r.name, r.digest) == (port.name, port.digest)), None)


def of_shape(one: Engine, shape: tuple[int | str, ...]) -> Engine:
    """The engine with latents of this shape."""

    def fixed(ports: Sequence[Port]) -> list[Port]:
        return [replace(port, shape=shape) if port.kind == "latent" else port for port in ports]

    return with_ports(one, fixed(one.session.inputs), fixed(one.session.outputs))


def cases() -> Iterator[tuple[str, list[Engine], tuple[Record, ...]]]:
    """By what it shows: the engines, and the records behind their symbols."""
    all_ = (ONE, OTHER, TEXT)
    impostor = replace(OTHER, name="one")
    yield "one model", [text_encoder(), denoiser(), decoder(), encoder()], all_
    yield "no encoder", [text_encoder(), denoiser(), decoder()], all_
    yield "two texts", [text_encoder(POOLED, TEXT), denoiser(texts=(TEXT, POOLED)), decoder()], all_
    yield "two encoders of text", [text_encoder(), text_encoder(bundle="b"), denoiser(), decoder()], all_
    yield "another decoder", [text_encoder(), denoiser(), decoder(OTHER, bundle="b")], all_
    yield "one name, other numbers", [text_encoder(), denoiser(), decoder(impostor)], (ONE, impostor, TEXT)
    yield "statistics by channel", [text_encoder(), denoiser(), decoder(NORMED, bundle="b")], (ONE, NORMED, TEXT)
    yield "one channel", [text_encoder(), denoiser(), decoder(NARROW, bundle="b")], (ONE, NARROW, TEXT)
    yield "no records", [text_encoder(), denoiser(), decoder(OTHER, bundle="b")], ()
    yield "one record", [text_encoder(), denoiser(), decoder(OTHER, bundle="b")], (OTHER,)
    yield "another encoder", [text_encoder(), denoiser(), decoder(), encoder(OTHER, bundle="b")], all_
    yield "a decoder in float16", [text_encoder(), denoiser(), decoder(dtype="float16")], all_
    yield "an encoder in float16", [text_encoder(), denoiser(), decoder(), encoder(dtype="float16")], all_
    for title, text in {
        "text of other dimensions": TextEmbedding(name="words", width=96, weights="3" * 64),
        "text of other weights": TextEmbedding(name="words", width=64, weights="4" * 64),
        "text of another name": TextEmbedding(name="speech", width=64, weights="3" * 64),
        "text of another layer": TextEmbedding(name="words", width=64, output="penultimate", weights="3" * 64),
    }.items():
        yield title, [text_encoder(text, bundle="b"), denoiser(), decoder()], (ONE, TEXT, text)
    yield "text in float16", [text_encoder(dtype="float16"), denoiser(), decoder()], all_
    yield "no text encoder", [denoiser(), decoder()], all_
    yield "no decoder", [text_encoder(), denoiser(), encoder()], all_
    yield "two decoders", [text_encoder(), denoiser(), decoder(), decoder(bundle="b")], all_
    yield "two denoisers", [text_encoder(), denoiser(), denoiser(), decoder()], all_
    yield "fixed sizes", [text_encoder(), of_shape(denoiser(), ("B", 4, 32, 32)), decoder()], all_
    wide = of_shape(denoiser(), ("B", 4, 32, 32))
    yield "other fixed sizes", [text_encoder(), wide, of_shape(decoder(), ("B", 4, 64, 64))], all_
    yield "other fixed sizes to start", [text_encoder(), wide, decoder(), of_shape(encoder(), (1, 4, 9, 9))], all_
    yield "fewer dimensions", [text_encoder(), wide, of_shape(decoder(), ("B", 4, 1024))], all_

    lying = decoder()
    digests = tuple(replace(port, digest="00000000") for port in lying.declared[0])
    lying = replace(lying, declared=(digests, lying.declared[1]))
    yield "a manifest of other ports", [text_encoder(), denoiser(), lying], all_
    fixed = decoder()
    sizes = tuple(replace(port, shape=("B", 4, 8, "w")) for port in fixed.declared[0])
    yield (
        "a manifest of fixed sizes",
        [text_encoder(), denoiser(), replace(fixed, declared=(sizes, fixed.declared[1]))],
        all_,
    )
    turned = denoiser()
    turned = with_ports(turned, turned.session.inputs[::-1], turned.session.outputs[::-1])
    yield "tensors in another order", [text_encoder(), turned, decoder()], all_
    edited = replace(decoder(OTHER, bundle="b"), declared=decoder().declared)
    yield "a manifest that was edited", [text_encoder(), denoiser(), edited], all_
    for slot in ("history2", "noise"):
        whole = denoiser()
        mixed = [latent_port(OTHER).at(slot) if port.slot == slot else port for port in whole.session.inputs]
        yield f"{slot} of another space", [text_encoder(), with_ports(whole, mixed), decoder()], all_
        less = [port for port in whole.session.inputs if port.slot != slot]
        yield f"no {slot}", [text_encoder(), with_ports(whole, less), decoder()], all_
    whole = denoiser()
    more = [*whole.session.inputs, latent_port(OTHER).at("control")]
    yield "a latent more", [text_encoder(), with_ports(whole, more), decoder()], all_
    yield "no clean picture", [text_encoder(), with_ports(whole, outputs=whole.session.outputs[:1]), decoder()], all_
    yield "no latent", [text_encoder(), with_ports(whole, outputs=[image_port()]), decoder()], all_

    cut = denoiser(feature=CUT)
    yield "a shallow denoiser", [text_encoder(), shallow(), cut, decoder()], all_
    yield "another shallow denoiser", [text_encoder(), cut, shallow(feature=CUT[::-1]), decoder()], all_
    yield "a shallow denoiser of none", [text_encoder(), denoiser(), shallow(), decoder()], all_
    part = shallow()
    yield (
        "a shallow denoiser of more",
        [
            text_encoder(),
            cut,
            with_ports(part, [*part.session.inputs, text_port(POOLED)]),
            decoder(),
        ],
        all_,
    )
    yield "a shallow denoiser of another space", [text_encoder(), cut, shallow(OTHER), decoder()], all_

    yield "a VAE alone", [decoder(), encoder()], all_
    yield "a decoder alone", [decoder()], all_
    yield "an encoder alone", [encoder()], all_
    yield "halves of two spaces", [decoder(), encoder(OTHER, bundle="b")], all_
    yield "halves of two sizes", [of_shape(decoder(), ("B", 4, 8, 8)), of_shape(encoder(), ("B", 4, 9, 9))], all_
    yield "halves of two dtypes", [decoder(dtype="float16"), encoder()], all_
    yield "text alone", [text_encoder()], all_
    yield "two decoders alone", [decoder(), decoder(bundle="b")], all_
    yield "nothing", [], all_
    yield "an edited decoder alone", [lying], all_


def _told(linked: LinkedVae) -> dict[str, Any]:
    """How engines were connected."""
    halves = {half: one and one.title for half in ("decoder", "encoder") for one in [getattr(linked, half)]}
    told: dict[str, Any] = {"latent": linked.latent.tensor, **halves}
    if isinstance(linked, Linked):
        told["texts"] = [[tensor, one.title, port.tensor] for tensor, (one, port) in linked.texts.items()]
        told["denoiser"] = linked.denoiser.title
        told["shallow"] = linked.shallow and linked.shallow.title
    return told


def _answer(ask: Callable[[], LinkedVae]) -> dict[str, Any]:
    try:
        return {"answer": _told(ask())}
    except LatentLinkError as error:
        return {"status": int(error.status), "message": error.message, "remedy": error.remedy}


def _ports(ports: Sequence[Port]) -> list[list[Any]]:
    return [[port.tensor, *port.shape] for port in ports]


def _given(one: Engine) -> dict[str, Any]:
    real, declared = (one.session.inputs, one.session.outputs), one.declared
    given = {"component": one.component, "bundle": one.bundle, "ports": [_ports(ports) for ports in real]}
    return given if real == declared else {**given, "declared": [_ports(ports) for ports in declared]}


def verdicts() -> dict[str, list[Any]]:
    """All cases with the verdict on them, which name engines and records by their number in lists of all.

    Engines without a denoiser are linked as a VAE alone.
    """
    listed: list[Any] = []
    known: list[Any] = []

    def number(items: list[Any], item: Any) -> int:
        if item not in items:
            items.append(item)
        return items.index(item)

    found = []
    for title, engines, records in cases():
        draws = any(one.component == "denoiser" for one in engines)
        found.append(
            {
                "title": title,
                "engines": [number(listed, _given(one)) for one in engines],
                "records": [number(known, record.to_json()) for record in records],
                **_answer(lambda: (link if draws else link_vae)(engines, describe(*records))),  # noqa: B023  # at once
            }
        )
    return {"engines": listed, "records": known, "cases": found}
