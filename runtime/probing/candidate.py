"""Replacement components from another bundle: does one read, or write, the same latents as the denoiser's own?

Its symbol says so, but a symbol can be forged, and a decoder may have been fine-tuned or distilled. So it runs on the
golden inputs of the denoiser's model, and its output is compared with that of the model's own component.

Two numbers decide, both in dB, so that pictures of any contrast are judged alike:

- The **signal-to-noise ratio**: how much of the golden output it explains, `var(golden) / mse`. The output of another
  model's component explains nothing: 0 dB or less.
- The gain from an **affine correction** of the latents, with a common factor and one shift per channel. A component
  that was trained on these latents reads them best unchanged; one with another scaling factor, whose pictures may look
  right, gains decibels.

docs/compatibility.md has the measurements behind the limits.
"""

from __future__ import annotations

import math
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
from latentlink.runtime.probing.running import load_probes, runner, token_ids, tokenizer_of
from latentlink.runtime.text import Prompts

LEAST_SNR = 6.0
"""Least signal-to-noise ratio in dB: a component has to explain three quarters of the golden output."""

MOST_GAIN = 1.0
"""Largest gain in dB that an affine correction of the latents may have."""

CORRECTION_PROBES = 2
"""Probes that the correction is fitted on: each costs one run per channel."""

ADDED_PROBES = 2
"""Probes that are made for a component if its sizes fit none of the host's probes."""

STEP = 0.25
"""Step of the finite differences, in standard deviations of a latent: well above the rounding of 8-bit pictures."""

Float64: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateResult:
    """Result of a replacement component on golden inputs.

    Args:
        agreement: Agreement with the golden outputs, by the thresholds of the model's own component in float32.
        snr: Signal-to-noise ratio in dB: the golden output's variance over the mean squared error.
        gain: Gain in dB of an affine correction of the latents; 0 if it was not measured, NaN if it could not be.
        factor: Factor of that correction on the latents.
    """

    agreement: Agreement
    snr: float
    gain: float = 0.0
    factor: float = 1.0

    @property
    def same(self) -> bool:
        """Whether it makes the same numbers, within float32's tolerance, whatever precision it computes in."""
        return self.agreement.sufficient

    @property
    def accepted(self) -> bool:
        """Whether it may replace the other component; NaN is never accepted."""
        return self.same or (self.snr >= LEAST_SNR and self.gain <= MOST_GAIN)

    def summary(self) -> str:
        """Why it is refused, as a clause."""
        if not self.snr >= LEAST_SNR:
            return (
                f"it explains {self.snr:.1f} dB of the golden output, expected at least {LEAST_SNR:g} "
                f"(PSNR {self.agreement.psnr:.1f} dB)"
            )
        if math.isnan(self.gain):
            return f"it writes no finite numbers for latents that are shifted by {STEP:g} standard deviations"
        return (
            f"it does {self.gain:.1f} dB better on other latents, {self.factor:.3g} times as large and shifted, "
            f"expected at most {MOST_GAIN:g}: its scaling is not this space's"
        )


def judge(probes: Probes, run: RunEngine, inputs: Sequence[Port], outputs: Sequence[Port]) -> CandidateResult:
    """Run a component on another component's golden inputs.

    Args:
        probes: Probes of the component that it is to replace.
        run: Runs the replacement.
        inputs: Its input ports, with the same symbols as those of `probes`.
        outputs: Its output ports, with the same symbols as those of `probes`.

    Raises:
        BundleError: It fails to run, or its outputs have other shapes.
    """
    done = [(probe, probe.pairs(run(probe.inputs))) for probe in probes.probes]
    pairs = [pair for _, listed in done for pair in listed]
    agreed = measure_agreement(pairs, "float32")
    kind = outputs[0].kind
    found = CandidateResult(agreement=agreed, snr=_snr(pairs, kind))
    if found.same or not found.snr >= LEAST_SNR:
        return found
    latent = next((port for port in inputs if port.kind == "latent" and not port.slot), None)
    if latent is not None:
        gain, factor = _reading(probes.probes, run, latent)
        return replace(found, gain=gain, factor=factor)
    if kind == "latent":
        gain, factor = _writing(pairs)
        return replace(found, gain=gain, factor=factor)
    return found


def _snr(pairs: Sequence[tuple[NDArray[Any], NDArray[Any]]], kind: str) -> float:
    """The reference's variance around each channel's mean over the mean squared error, in dB."""
    signal = error = 0.0
    for output, reference in pairs:
        wanted = _by_channel(reference, kind)
        signal += float(((wanted - wanted.mean(axis=1, keepdims=True)) ** 2).sum())
        error += float(((output.astype(np.float64) - reference.astype(np.float64)) ** 2).sum())
    return decibel(signal, error)


def _by_channel(array: NDArray[Any], kind: str) -> Float64:
    """The array as float64 `[channels, everything else]`; one that was sampled for its size counts as one channel."""
    if array.ndim < 2:
        return array.astype(np.float64).reshape(1, -1)
    moved = np.moveaxis(array.astype(np.float64), 1 if kind == "latent" else -1, 0)
    return moved.reshape(len(moved), -1)


def _reading(probes: Sequence[Probe], run: RunEngine, latent: Port) -> tuple[float, float]:
    """Gain of a decoder in dB if its latents are corrected, by one Gauss-Newton step, and the correction's factor."""
    chosen = probes[:CORRECTION_PROBES]
    channels = latent.size("c")

    def picture(correction: Float64) -> Float64:
        """Outputs of all chosen probes for the latents `z + correction[0] * z + correction[1:]`, a shift a channel."""
        outputs = []
        for probe in chosen:
            z = probe.inputs[latent.tensor].astype(np.float64)
            corrected = (1 + correction[0]) * z + correction[1:].reshape(1, -1, 1, 1)
            inputs: Arrays = {**probe.inputs, latent.tensor: corrected.astype(latent.dtype)}
            outputs += [output.astype(np.float64).ravel() for output, _ in probe.pairs(run(inputs))]
        return np.concatenate(outputs)

    golden = np.concatenate([a.astype(np.float64).ravel() for probe in chosen for a in probe.outputs.values()])
    as_it_is = picture(np.zeros(1 + channels))
    slopes = np.stack([(picture(STEP * one) - as_it_is) / STEP for one in np.eye(1 + channels)], axis=1)
    if not np.isfinite(slopes).all():
        return math.nan, math.nan
    best = np.linalg.lstsq(slopes, golden - as_it_is, rcond=None)[0].astype(np.float64)
    return _gain(golden, as_it_is, picture, best)


def _gain(
    golden: Float64, as_it_is: Float64, output: Callable[[Float64], Float64], best: Float64
) -> tuple[float, float]:
    """Gain and factor of the correction `best`, or of a half or quarter of it: a decoder is not linear."""
    before = float(np.mean((golden - as_it_is) ** 2))
    tried = {}
    for share in (1.0, 0.5, 0.25):
        tried[share] = float(np.mean((golden - output(share * best)) ** 2))
    share = min(tried, key=lambda key: tried[key])
    gain = decibel(before, tried[share]) if tried[share] < before else 0.0
    return gain, float(1 + share * best[0])


def _writing(pairs: Sequence[tuple[NDArray[Any], NDArray[Any]]]) -> tuple[float, float]:
    """Gain and factor for an encoder, by least squares: `golden = factor * z + shift`."""
    if any(reference.ndim < 2 for _, reference in pairs):  # one was sampled for its size: all count as one channel
        pairs = [(output.ravel(), reference.ravel()) for output, reference in pairs]
    written = np.concatenate([_by_channel(output, "latent") for output, _ in pairs], axis=1)
    golden = np.concatenate([_by_channel(reference, "latent") for _, reference in pairs], axis=1)
    centred = written - written.mean(axis=1, keepdims=True)
    wanted = golden - golden.mean(axis=1, keepdims=True)
    factor = float((centred * wanted).sum() / max(float((centred**2).sum()), 1e-300))
    before, after = float(((written - golden) ** 2).sum()), float(((factor * centred - wanted) ** 2).sum())
    gain = decibel(before, after) if after < before else 0.0
    return gain, factor


def check_candidate(engine: Engine, donor: Bundle, host: Bundle, host_name: str, own: RunEngine) -> CandidateResult:
    """Check that a component from another bundle reads, or writes, the same latents as the denoiser's own.

    Args:
        engine: The component, which links by its symbols.
        donor: Its bundle, whose tokenizer belongs to it.
        host: The denoiser's bundle.
        host_name: Name of that bundle, as the user gave it.
        own: Runs the host's own component, for sizes that none of its probes has.

    Raises:
        LinkError: It does not, or the host has no probes to check it by.
    """
    component = engine.component
    if component not in host.manifest.probes:
        raise LinkError(
            f"{engine.title} has the right symbols, but {host_name} has no probes of its {component} to check it by.",
            remedy="Export and build it again, or link by the symbols alone: verify=False.",
        )
    entry = donor.manifest.components[component]
    probes = load_probes(host, component, host.manifest.components.get(component, entry))
    if (prompts := tokenizer_of(donor, entry)) is not None:
        probes = replace(probes, probes=tuple(_retokenise(probe, prompts, entry) for probe in probes.probes))
    else:
        probes = probes.fit(engine.limits, entry.inputs, own, ADDED_PROBES)
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


def _retokenise(probe: Probe, prompts: Prompts, entry: ComponentEntry) -> Probe:
    """The probe with the token ids that the donor's own tokenizer makes of its prompt."""
    ids = token_ids(prompts, probe.prompt)
    tokens = next(iter(probe.inputs.values())) if ids is None else ids[None]
    return replace(probe, inputs={entry.inputs[0].tensor: tokens})
