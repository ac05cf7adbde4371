"""Running an engine on probes, and their prompts through its tokenizer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latentlink.engine.bundle import Arrays, Bundle, ComponentEntry, Probes, RunEngine, read_probes
from latentlink.errors import UsageError
from latentlink.runtime.sessions import Session
from latentlink.runtime.text import Prompts


def load_probes(bundle: Bundle, component: str, entry: ComponentEntry) -> Probes:
    """A bundle's probes of a component with these ports.

    Raises:
        BundleError: The file is damaged, or for other ports.
    """
    return read_probes(bundle.file(bundle.manifest.probes[component]), entry.inputs, entry.outputs)


def runner(session: Session) -> RunEngine:
    """A function that runs a session on host arrays."""

    def run(inputs: Arrays) -> Arrays:
        buffers = {tensor: session.upload(array) for tensor, array in inputs.items()}
        outputs = session.run(buffers, {port.tensor: None for port in session.outputs})
        return {tensor: buffer.numpy() for tensor, buffer in outputs.items()}

    return run


def training_differs(bundle: Bundle, probes: Probes) -> str:
    """Why the manifest's schedule is not the one that the denoiser was exported with; empty if it is."""
    expected, found = probes.training or {}, bundle.manifest.sampling.training()
    for group, value in found.items():
        if group in expected and (other := expected[group]) != value:
            if isinstance(value, dict) and isinstance(other, dict):
                # a constant that is null differs from none at all
                missing = value.keys() ^ other.keys()
                key = next(key for key in sorted({*value, *other}) if key in missing or value[key] != other[key])
                group, value, other = f"{group}.{key}", value.get(key), other.get(key)
            return f"the manifest says {value!r:.40} for sampling.{group}, but it was exported with {other!a:.40}"
    return ""


def tokens_differ(bundle: Bundle, entry: ComponentEntry, probes: Probes) -> str:
    """Why the tokenizer is not the reference's: it makes other ids of a golden prompt; empty if it agrees."""
    prompts = tokenizer_of(bundle, entry)
    if prompts is None:
        return ""
    tokens = next(port.tensor for port in entry.inputs if port.kind == "tokens")
    for probe in probes.probes:
        ids = token_ids(prompts, probe.prompt)
        if ids is not None and not np.array_equal(ids, np.atleast_2d(probe.inputs[tokens])[0]):
            return f"the tokenizer makes other ids of {probe.prompt!r} than the reference's"
    return ""


def tokenizer_of(bundle: Bundle, entry: ComponentEntry) -> Prompts | None:
    """A component's tokenizer; None if it reads no tokens."""
    return None if entry.tokenizer is None else Prompts(bundle.file(entry.tokenizer.path), entry.tokenizer)


def token_ids(prompts: Prompts, prompt: str | None) -> NDArray[np.int32] | None:
    """Ids of a prompt's first piece; None without one, or if it is longer than the encoder reads: the probe holds what
    fits.
    """
    if prompt is None:
        return None
    try:
        ids: NDArray[np.int32] = prompts.tokens([prompt], prompts.pieces([prompt])).ids[0, 0]
    except UsageError:
        return None
    return ids
