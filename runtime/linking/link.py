"""The linker: decides from the engines' own symbols which engine's output feeds which engine's input."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from latentlink.errors import BundleError, LinkError
from latentlink.ports import HISTORY, Port
from latentlink.runtime.sessions import Session
from latentlink.spaces import LatentSpace, TextEmbedding

Describe = Callable[[Port], LatentSpace | TextEmbedding | None]
"""Finds the latent space or text embedding behind a port's digest; None if no genuine record has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """One open engine and where it comes from.

    Args:
        component: `text_encoder`, `denoiser`, ...
        bundle: Name of its bundle, as the user gave it.
        session: The open engine.
        declared: Input and output ports that the bundle's manifest declares.
        limits: (smallest, best, largest) size of each free dimension that the engine was built for.
    """

    component: str
    bundle: str
    session: Session
    declared: tuple[tuple[Port, ...], tuple[Port, ...]]
    limits: Mapping[str, tuple[int, int, int]]

    @property
    def title(self) -> str:
        """`vae_decoder of demo-b`, as messages name it."""
        return f"{self.component} of {self.bundle}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedVae:
    """The linked halves of a VAE. Both ports of the latent were compared.

    Args:
        decoder: Reads the latent, writes pictures; None if the bundle has none.
        encoder: Reads pictures, writes the latent; None if the bundle has none.
        latent: The latent.
    """

    decoder: Engine | None
    encoder: Engine | None
    latent: Port


@dataclass(frozen=True, slots=True, kw_only=True)
class Linked(LinkedVae):
    """The linked engines of a model that draws, by what they do. Every port between them was compared.

    Args:
        denoiser: Reads coefficients; writes `latent`.
        texts: For every text port of the denoiser, the engine that writes it and that engine's output.
        decoder: Reads the denoiser's latent, writes pictures; it is always there.
        encoder: Reads pictures, writes the denoiser's latent; None if the bundle has none.
        latent: The denoiser's latent output.
        shallow: Reads the feature that the denoiser wrote, and runs in its place; None if the bundle has none.
    """

    denoiser: Engine
    texts: Mapping[str, tuple[Engine, Port]]
    shallow: Engine | None = None


def link(engines: Sequence[Engine], describe: Describe) -> Linked:
    """Connect engines by their symbols.

    Args:
        engines: All engines of a pipeline, replaced ones included.
        describe: Looks up the numbers behind a symbol, for messages.

    Raises:
        LinkError: An input has no output of equal symbol, dtype and static shape.
        BundleError: An engine lacks a port that it needs, or its manifest declares other ports.
    """
    shallow = next((engine for engine in engines if _does(engine, reads="feature")), None)
    denoiser = _only([engine for engine in engines if engine is not shallow], "denoiser", reads="coefficients")
    latent = _port(denoiser, denoiser.session.outputs, "latent", "")
    if shallow is not None:
        _continues(denoiser, shallow)
    for step in (denoiser, *(() if shallow is None else (shallow,))):
        for slot in ("x", "noise", *(f"history{age}" for age in range(1, HISTORY + 1))):
            _same(step, _port(step, step.session.inputs, "latent", slot), latent)
        for port in step.session.inputs:
            if port.kind == "latent":
                _same(step, port, latent)
        for slot in ("", "denoised"):
            _same(step, _port(step, step.session.outputs, "latent", slot), latent)

    texts = {}
    writers = [(engine, port) for engine in engines for port in engine.session.outputs if port.kind == "text"]
    for wanted in (port for port in denoiser.session.inputs if port.kind == "text"):
        found = next((pair for pair in writers if pair[1].symbol == wanted.symbol), None)
        if found is None:
            raise _refusal(denoiser, wanted, writers, describe)
        _fits(found[0], found[1], denoiser, wanted)
        texts[wanted.tensor] = found

    decoder = _only(engines, "vae_decoder", reads="latent", writes="image")
    reads = _port(decoder, decoder.session.inputs, "latent", "")
    if reads.symbol != latent.symbol:
        raise _refusal(decoder, reads, [(denoiser, latent)], describe)
    _fits(denoiser, latent, decoder, reads)

    encoder = next((e for e in engines if _does(e, reads="image", writes="latent")), None)
    if encoder is not None:
        writes = _port(encoder, encoder.session.outputs, "latent", "")
        if writes.symbol != latent.symbol:
            x = _port(denoiser, denoiser.session.inputs, "latent", "x")
            raise _refusal(denoiser, x, [(encoder, writes)], describe)
        _fits(encoder, writes, denoiser, latent)
    for engine in engines:
        as_declared(engine)
    return Linked(denoiser=denoiser, texts=texts, decoder=decoder, encoder=encoder, latent=latent, shallow=shallow)


def link_vae(engines: Sequence[Engine], describe: Describe) -> LinkedVae:
    """Connect the halves of a VAE alone, of which one may be missing.

    Args:
        engines: All engines of a pipeline without a denoiser, replaced ones included.
        describe: Looks up the numbers behind a symbol, for messages.

    Raises:
        LinkError: The halves are of different latent spaces, or are no halves of a VAE.
        BundleError: An engine lacks a port that it needs, or its manifest declares other ports.
    """
    decoder = next((engine for engine in engines if _does(engine, reads="latent", writes="image")), None)
    encoder = next((engine for engine in engines if _does(engine, reads="image", writes="latent")), None)
    halves = [engine for engine in (encoder, decoder) if engine is not None]
    if other := [engine.title for engine in engines if engine not in halves] or ([] if halves else ["nothing"]):
        raise LinkError(
            "Without a denoiser, a pipeline is a VAE: one vae_decoder, one vae_encoder or both, but "
            f"{', '.join(other)} was given.",
            remedy="Take the denoiser from another bundle (--replace denoiser=BUNDLE), or get a whole bundle.",
        )
    reads = None if decoder is None else _port(decoder, decoder.session.inputs, "latent", "")
    writes = None if encoder is None else _port(encoder, encoder.session.outputs, "latent", "")
    if decoder is not None and encoder is not None and reads is not None and writes is not None:
        if reads.symbol != writes.symbol:
            raise _refusal(decoder, reads, [(encoder, writes)], describe)
        _fits(encoder, writes, decoder, reads)
    for engine in engines:
        as_declared(engine)
    return LinkedVae(decoder=decoder, encoder=encoder, latent=writes or reads)  # type: ignore[arg-type]  # one is there


def _continues(denoiser: Engine, shallow: Engine) -> None:
    """Check that the shallow engine reads only what the denoiser reads, and the feature that the denoiser writes."""
    feature = _port(shallow, shallow.session.inputs, "feature", "")
    written = [port for port in denoiser.session.outputs if port.kind == "feature"]
    if [port.symbol for port in written] != [feature.symbol]:
        found = ", ".join(port.symbol for port in written) or "none"
        raise LinkError(
            f"{shallow.title} reads the feature {feature.symbol}, but {denoiser.title} writes {found}: they were cut "
            "from different networks, or at different places.",
            remedy="Take both from one bundle.",
        )
    _fits(denoiser, written[0], shallow, feature)
    known = {port.tensor for port in denoiser.session.inputs}
    for port in shallow.session.inputs:
        if port is not feature and port.tensor not in known:
            raise LinkError(
                f"{shallow.title} reads {port.tensor}, which {denoiser.title} does not.",
                remedy="Take both from one bundle.",
            )


def _does(engine: Engine, *, reads: str, writes: str | None = None) -> bool:
    return any(port.kind == reads for port in engine.session.inputs) and (
        writes is None or any(port.kind == writes for port in engine.session.outputs)
    )


def _only(engines: Sequence[Engine], what: str, *, reads: str, writes: str | None = None) -> Engine:
    found = [engine for engine in engines if _does(engine, reads=reads, writes=writes)]
    if len(found) != 1:
        raise LinkError(
            f"A pipeline has one {what}, but {len(found)} of the engines given do its work "
            f"({', '.join(engine.title for engine in engines)}).",
            remedy="Take one of the two from another bundle, or build this one from a whole export.",
        )
    return found[0]


def _port(engine: Engine, ports: Sequence[Port], kind: str, slot: str) -> Port:
    for port in ports:
        if port.kind == kind and port.slot == slot:
            return port
    raise BundleError(
        f"{engine.title} has no {kind} port{f' in slot {slot!r}' if slot else ''}; its tensors are "
        f"{', '.join(p.tensor for p in (*engine.session.inputs, *engine.session.outputs))}.",
        remedy="Export and build it again with this version of latentlink.",
    )


def _same(engine: Engine, port: Port, latent: Port) -> None:
    """Check that a denoiser reads the latent that it writes."""
    if port.symbol != latent.symbol:
        raise BundleError(
            f"{engine.title} writes {latent.symbol} but reads {port.symbol} in slot {port.slot!r}: "
            "a step's state is one latent space.",
            remedy="Export it again.",
        )


def _fits(writer: Engine, written: Port, reader: Engine, read: Port) -> None:
    """Check that static sizes of connected tensors are equal; their symbols are."""
    sizes = zip(written.shape, read.shape, strict=False)
    if len(written.shape) != len(read.shape) or any(
        isinstance(a, int) and isinstance(b, int) and a != b for a, b in sizes
    ):
        raise LinkError(
            f"{reader.title} reads {read.symbol} of shape {_shape(read)}, but {writer.title} writes it "
            f"as {_shape(written)}.",
            remedy="Build both for the same sizes.",
        )


def as_declared(engine: Engine) -> None:
    """Check that the engine has the ports that the manifest declares; the builder may have fixed free sizes.

    Raises:
        BundleError: It has other ports.
    """
    for real, declared in zip((engine.session.inputs, engine.session.outputs), engine.declared, strict=True):
        # in any order: compilers keep the names, and ports are found by name
        found = {port.tensor: port.shape for port in real}
        agree = sorted(p.tensor for p in real) == sorted(p.tensor for p in declared) and all(
            len(found[b.tensor]) == len(b.shape)
            and all(isinstance(y, str) or x == y for x, y in zip(found[b.tensor], b.shape, strict=True))
            for b in declared
        )
        if not agree:
            raise BundleError(
                f"The manifest of {engine.bundle} declares {_list(declared)} for {engine.component}, but the engine "
                f"has {_list(real)}.",
                remedy="The manifest was edited or belongs to another engine: build the bundle again.",
            )


def _refusal(reader: Engine, read: Port, writers: Sequence[tuple[Engine, Port]], describe: Describe) -> LinkError:
    """The error of a refused link: what is read, what is written, the numbers that differ, and what to do."""
    what = {"latent": "latent space", "text": "text embedding"}[read.kind]
    message = f"{reader.title} reads {what} {_port_text(read, describe)}"
    if not writers:
        return LinkError(f"{message}, but no engine writes any.", remedy="Add a text encoder of the same model.")
    writer, written = writers[0]
    message += f", but {writer.title} writes {_port_text(written, describe)}."
    if (read.name, read.layout, read.digest) == (written.name, written.layout, written.digest):
        return LinkError(
            f"{message} The interface dtypes differ: {read.dtype} is read, {written.dtype} written.",
            remedy="Export both with the same --io-dtype.",
        )
    differ = _differences(read, written, describe)
    message += f" They differ in {differ}." if differ else ""
    if read.kind == "text":
        return LinkError(message, remedy=f"Use {reader.bundle}'s own text encoder.")
    source, other = (writer.bundle, reader.bundle) if reader.component != "denoiser" else (reader.bundle, writer.bundle)
    half = "encoder" if reader.component == "denoiser" else "decoder"
    return LinkError(message, remedy=f"Use {source}'s own {half}, or: latentlink transfer --from {source} --to {other}")


def _port_text(port: Port, describe: Describe) -> str:
    record = describe(port)
    numbers = record.numbers() if record else ", ".join(f"{letter}{size}" for letter, size in port.layout)
    return f'"{port.name}" ({numbers}, {port.digest})'


def _differences(read: Port, written: Port, describe: Describe) -> str:
    """The fields that differ, with both values: `scaling (0.71 and 0.55)`."""
    a, b = describe(read), describe(written)
    if a is None or b is None or type(a) is not type(b):
        return "their digests: no record in the manifests says more, which an unedited bundle would"
    left, right = a.to_json(), b.to_json()
    return ", ".join(f"{key} ({_short(left[key])} and {_short(right[key])})" for key in left if left[key] != right[key])


def _short(value: object) -> str:
    if value is None:
        return "none"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 24 else text[:8] + ".."


def _shape(port: Port) -> str:
    return "[" + ", ".join(str(dim) for dim in port.shape) + "]"


def _list(ports: Sequence[Port]) -> str:
    return ", ".join(f"{port.tensor} {_shape(port)}" for port in ports)
