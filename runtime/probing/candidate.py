"""A component from elsewhere: does it truly read, or write, what the denoiser's own model does?

Its symbol says so, but a symbol can be forged, and a decoder may have been fine-tuned or distilled. So it is run on
the golden inputs of the model whose denoiser is used, and compared with what that model's own component made of them.

Two numbers decide, both in dB, so that pictures of any contrast are judged alike:

- The **signal-to-noise ratio**: how much of the golden output it explains, `var(golden) / mse`. What a component of
  another model makes explains nothing: 0 dB or less.
- What an **affine correction** of the latents would gain, a common factor and a shift a channel. A component that was
  trained on these latents reads them best as they are; one with another scaling factor, whose pictures may look right,
  gains decibels.

docs/compatibility.md has the measurements that the limits were chosen from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentlink.engine.bundle import Arrays, Bundle, ComponentEntry, Probe, Probes, RunEngine
from latentlink.engine.quality import Agreement, decibel, measure_agreement
from latentlink.errors import BundleError, LinkError
from latentlink.ports import Port
from latentlink.runtime.linking import Engine
from latentlink.runtime.probing.running import load_probes, runner, token_ids

LEAST_SNR = 6.0
"""dB: a component has to explain three quarters of the golden output."""

MOST_GAIN = 1.0
"""dB that an affine correction of the latents may gain."""

FITTED = 2
"""Probes that the correction is fitted on: each costs a run a channel."""

STEP = 0.25
"""Of the finite differences, in standard deviations of a latent: well above the rounding of 8-bit pictures."""

Float64: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """How a component from elsewhere did on golden inputs.

    Args:
        agreement: With the golden outputs, as a float32 component of the model's own would be judged.
        snr: dB, the golden output's variance over the mean squared error.
        gained: dB that an affine correction of the latents gains; 0 where it was not looked for.
        factor: What the correction multiplies the latents by.
    """

    agreement: Agreement
    snr: float
    gained: float = 0.0
    factor: float = 1.0

    @property
    def same(self) -> bool:
        """Whether it makes the same numbers: as near as float32 comes, whatever it says that it computes in."""
        return self.agreement.sufficient

    @property
    def accepted(self) -> bool:
        """Whether it may take the other's place. NaN may not."""
        return self.same or (self.snr >= LEAST_SNR and self.gained <= MOST_GAIN)

    def summary(self) -> str:
        """Why it was refused, as a sentence says it."""
        if not self.snr >= LEAST_SNR:
            return (
                f"it explains {self.snr:.1f} dB of the golden output, expected at least {LEAST_SNR:g} "
                f"(PSNR {self.agreement.psnr:.1f} dB)"
            )
        return (
            f"it does {self.gained:.1f} dB better on other latents, {self.factor:.3g} times as large and shifted, "
            f"expected at most {MOST_GAIN:g}: its scaling is not this space's"
        )


def judge(probes: Probes, run: RunEngine, inputs: Sequence[Port], outputs: Sequence[Port]) -> Candidate:
    """Run a component on another's golden inputs.

    Args:
        probes: Of the component that it is to take the place of.
        run: Runs it.
        inputs: Its ports; those of `probes` have the same symbols.
        outputs: Likewise.

    Raises:
        BundleError: It fails to run, or makes outputs of other shapes.
    """
    done = [(probe, probe.pairs(run(probe.inputs))) for probe in probes.probes]
    pairs = [pair for _, listed in done for pair in listed]
    agreed = measure_agreement(pairs, "float32")
    kind = outputs[0].kind
    found = Candidate(agreement=agreed, snr=_snr(pairs, kind))
    if found.same or not found.snr >= LEAST_SNR:
        return found
    latent = next((port for port in inputs if port.kind == "latent" and not port.slot), None)
    if latent is not None:
        gained, factor = _reading(probes.probes, run, latent)
        return replace(found, gained=gained, factor=factor)
    if kind == "latent":
        gained, factor = _writing(pairs)
        return replace(found, gained=gained, factor=factor)
    return found


def _snr(pairs: Sequence[tuple[NDArray[Any], NDArray[Any]]], kind: str) -> float:
    """dB of the reference's variance, channel by channel around its mean, over the mean squared error."""
    signal = error = 0.0
    for output, reference in pairs:
        wanted = _by_channel(reference, kind)
        signal += float(((wanted - wanted.mean(axis=1, keepdims=True)) ** 2).sum())
        error += float(((output.astype(np.float64) - reference.astype(np.float64)) ** 2).sum())
    return decibel(signal, error)


def _by_channel(array: NDArray[Any], kind: str) -> Float64:
    """float64 `[channels, everything else]`; what was sampled for its size is one channel."""
    if array.ndim < 2:
        return array.astype(np.float64).reshape(1, -1)
    moved = np.moveaxis(array.astype(np.float64), 1 if kind == "latent" else -1, 0)
    return moved.reshape(len(moved), -1)


def _reading(probes: Sequence[Probe], run: RunEngine, latent: Port) -> tuple[float, float]:
    """dB that a decoder gains where its latents are corrected, by one step of Gauss and Newton, and the factor."""
    chosen = probes[:FITTED]
    channels = latent.size("c")

    def picture(correction: Float64) -> Float64:
        """Of all chosen probes: `z + correction[0] * z + correction[1:]`, a shift a channel."""
        made = []
        for probe in chosen:
            z = probe.inputs[latent.tensor].astype(np.float64)
            moved = (1 + correction[0]) * z + correction[1:].reshape(1, -1, 1, 1)
            given: Arrays = {**probe.inputs, latent.tensor: moved.astype(latent.dtype)}
            made += [output.astype(np.float64).ravel() for output, _ in probe.pairs(run(given))]
        return np.concatenate(made)

    golden = np.concatenate([a.astype(np.float64).ravel() for probe in chosen for a in probe.outputs.values()])
    as_it_is = picture(np.zeros(1 + channels))
    slopes = np.stack([(picture(STEP * one) - as_it_is) / STEP for one in np.eye(1 + channels)], axis=1)
    best = np.linalg.lstsq(slopes, golden - as_it_is, rcond=None)[0].astype(np.float64)
    return _gain(golden, as_it_is, picture, best)


def _gain(golden: Float64, as_it_is: Float64, made: Callable[[Float64], Float64], best: Float64) -> tuple[float, float]:
    """The same for the correction `best`, halved until it gains the most: a decoder is not linear."""
    before = float(np.mean((golden - as_it_is) ** 2))
    tried = {}
    for share in (1.0, 0.5, 0.25):
        tried[share] = float(np.mean((golden - made(share * best)) ** 2))
    share = min(tried, key=lambda key: tried[key])
    gained = decibel(before, tried[share]) if tried[share] < before else 0.0
    return gained, float(1 + share * best[0])


def _writing(pairs: Sequence[tuple[NDArray[Any], NDArray[Any]]]) -> tuple[float, float]:
    """The same for an encoder, by least squares: `golden = f * z + shift`."""
    written = np.concatenate([_by_channel(output, "latent") for output, _ in pairs], axis=1)
    golden = np.concatenate([_by_channel(reference, "latent") for _, reference in pairs], axis=1)
    centred = written - written.mean(axis=1, keepdims=True)
    wanted = golden - golden.mean(axis=1, keepdims=True)
    factor = float((centred * wanted).sum() / max(float((centred**2).sum()), 1e-300))
    before, after = float(((written - golden) ** 2).sum()), float(((factor * centred - wanted) ** 2).sum())
    gained = decibel(before, after) if after < before else 0.0
    return gained, factor


FITTED = 2
"""Probes that are made for a component whose sizes none of the host's fits."""


def check_candidate(engine: Engine, donor: Bundle, host: Bundle, host_name: str, own: RunEngine) -> Candidate:
    """Let a component from another bundle show that it reads, or writes, what the denoiser's own does.

    Args:
        engine: The component, which links by its symbols.
        donor: Its bundle, whose tokenizer goes with it.
        host: The bundle that the denoiser is from.
        host_name: As the user gave it.
        own: Runs the host's own component, for sizes that none of its probes has.

    Raises:
        LinkError: It does not, or there is nothing to show it on.
    """
    component = engine.component
    if component not in host.manifest.probes:
        raise LinkError(
            f"{engine.title} has the right symbols, but {host_name} has no probes of its {component} to check it by.",
            remedy="Export and build it again, or link by the symbols alone: --no-verify (verify=False).",
        )
    entry = donor.manifest.components[component]
    probes = load_probes(host, component, host.manifest.components.get(component, entry))
    if entry.tokenizer is not None:
        probes = replace(probes, probes=tuple(_retokenised(probe, donor, entry) for probe in probes.probes))
    else:
        probes = probes.fit(engine.limits, entry.inputs, own, FITTED)
    try:
        found = judge(probes, runner(engine.session), entry.inputs, entry.outputs)
        reason = "" if found.accepted else found.summary()
    except BundleError as error:
        raise LinkError(
            f"{engine.title} cannot be run on the probes of {host_name}'s {component}: {error.message}"
        ) from None
    if reason:
        raise LinkError(
            f"{engine.title} has the symbols of {host_name}, but does not compute what they say: on the probes of "
            f"{host_name}'s {component} {reason}.",
            remedy=f"Use {host_name}'s own {component}, or one that was trained for it.",
        )
    return found


def _retokenised(probe: Probe, donor: Bundle, entry: ComponentEntry) -> Probe:
    """The probe with the token ids that the donor's own tokenizer makes of its prompt."""
    ids = None if probe.prompt is None else token_ids(donor, entry, probe.prompt)
    given = next(iter(probe.inputs.values())) if ids is None else ids[None]
    return replace(probe, inputs={entry.inputs[0].tensor: given})
