"""Quantise the denoiser of an export: record, observe, quantise, compare pictures, and only then write a new export."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentlink.bundle_names import new_bundle_path
from latentlink.calibration.balance import balance
from latentlink.calibration.formats import FORMATS, Format
from latentlink.calibration.layers import layers_of
from latentlink.calibration.observe import Observations, observe
from latentlink.calibration.observers import OBSERVERS
from latentlink.calibration.picture_quality import pictures_of, quality_of
from latentlink.calibration.qdq import quantise
from latentlink.calibration.quantise_options import CalibrationOptions, float32_denoiser, open_float32_export
from latentlink.calibration.recording import Recording, runs_of
from latentlink.calibration.sensitivity import KeepList, LayerCost, add_twins, costs_of, find_keep_list, step_quality
from latentlink.calibration.taps import GraphRunner
from latentlink.checks import callback, instance
from latentlink.engine.build import build_bundle
from latentlink.engine.builders import BuildOptions
from latentlink.engine.bundle import EXPORTED, Bundle, EngineEntry, Manifest, replacing_bundle, write_bundle
from latentlink.engine.quality import Quality, measure_agreement
from latentlink.engine.targets import REFERENCE_TARGET
from latentlink.errors import BuildError
from latentlink.runtime import Pipeline, load
from latentlink.runtime.sessions import open_session
from latentlink.spaces import digest

if TYPE_CHECKING:
    import onnx_ir as ir
    from numpy.typing import NDArray

PICTURES = 8
"""Pictures that are compared for the gate."""

GATE_SEED = 1 << 20
"""Added to the seeds of the gate's pictures, so that none of them was used for calibration."""

MIN_STEP_SNR = 10.0
"""dB that the denoised latent of one step has to reach, over recorded steps of all noise levels. The trained demo
model reaches 12 to 15 dB with all layers quantised, and its pictures show their prompts as often as in float32."""

MAX_KEPT_SHARE = 0.25
"""Largest share of the weights that may stay in float32 for it: with more, quantising would save little."""

EVERY = 4
"""Layers are compared on every 4th recorded step."""

PhaseProgress = Callable[[str, int, int], object]
"""Called with the phase, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationResult:
    """The result of a calibration.

    Args:
        manifest: Manifest of the export that was written.
        quality: Quality of the quantised model's pictures, compared with the reference's.
        costs: What quantisation costs by layer, the worst first.
        keep_list: Which layers stay in float32, and the figures by which they were chosen.
    """

    manifest: Manifest
    quality: Quality
    costs: tuple[LayerCost, ...]
    keep_list: KeepList


def calibrate_export(
    export: str | Path,
    out: str | Path,
    options: CalibrationOptions,
    *,
    target: Format | None = None,
    on_phase: PhaseProgress = lambda phase, done, total: None,
) -> CalibrationResult:
    """Quantise the denoiser of an export.

    Recordings and observations are kept beside `out` until the calibration is complete. The same call then resumes an
    interrupted one, and a call for the other precision reuses them.

    Args:
        export: Directory that `latentlink export` wrote, with its denoiser in float32.
        out: Export to write: the same components, the denoiser's quantised graph before its float32 one, and the
            latent ranges.
        options: The user's options.
        target: The number format; None for that of the precision.
        on_phase: Called during the calibration.

    Raises:
        UsageError: `export` is not such an export, or `out` is the same directory.
        BundleError: The export is damaged.
        BuildError: The quantised denoiser does not reach the gate.
    """
    instance("options", options, CalibrationOptions)
    callback("on_phase", on_phase)
    path = new_bundle_path(out).absolute()
    source = open_float32_export(export, path)
    key: dict[str, Any] = {"files": {name: file.sha256 for name, file in source.manifest.files.items()}}
    key |= {"options": [options.prompts, options.count, options.steps, options.seed]}
    work = path.with_name(f".{path.name}.calibration-{digest(key)}")
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "reference").exists():
        on_phase("building the reference", 0, 1)
        build_bundle(source.root, work / "reference", options=BuildOptions(precision="fp32"))
    with load(work / "reference", target=REFERENCE_TARGET, threads=options.threads, verify=False) as pipe:
        calibration = _Calibration(
            source=source,
            pipe=pipe,
            work=work,
            options=options,
            on_phase=on_phase,
            target=target or FORMATS[options.precision],
        )
        result = calibration.write(path)
    shutil.rmtree(work)
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class _Calibration:
    """A calibration in progress; see `calibrate_export`.

    Args:
        pipe: The float32 model, loaded.
        work: Directory for intermediate files.
    """

    source: Bundle
    pipe: Pipeline
    work: Path
    options: CalibrationOptions
    on_phase: PhaseProgress
    target: Format

    @property
    def entry(self) -> EngineEntry:
        """The record of the float32 denoiser."""
        return float32_denoiser(self.source)

    @property
    def graph(self) -> Path:
        """The file of the float32 denoiser."""
        return self.source.file(self.entry.path)

    def load(self) -> ir.Model:
        """Load a new copy of the float32 denoiser."""
        import onnx_ir as ir

        return ir.load(self.graph)

    def write(self, out: Path) -> CalibrationResult:
        """Run all phases, and write the export."""
        options = self.options
        recording = Recording(self.work, runs_of(self.pipe, options.count))
        recording.record(
            self.pipe,
            options.prompts,
            steps=options.steps,
            seed=options.seed,
            on_done=lambda done, total: self.on_phase("generating", done, total),
        )
        observations = observe(
            self.load,
            self.graph,
            recording,
            self.work,
            threads=options.threads,
            on_done=lambda phase, done, total: self.on_phase(f"observing {phase}", done, total),
        )
        observer = OBSERVERS[options.observer]
        scales = {name: observer(histogram, self.target) for name, histogram in observations.histograms.items()}
        costs = self._costs(recording, observations, scales)
        keep_list = self._keep_list(recording, observations, scales, costs)
        quantised = self._quantise(observations, scales, keep_list.layers, self.work / "model.onnx")
        quality = self._quality(quantised)
        if not quality.passes:
            worst = ", ".join(f"{cost.layer} ({cost.operator}, {cost.sqnr:.1f} dB)" for cost in costs[:5])
            raise BuildError(
                f"The denoiser in {options.precision} does not reach the gate: {quality.shortfall_summary()}. "
                f"The layers that lose most: {worst}.",
                remedy="Calibrate with more prompts (--count), another --observer or the other precision.",
            )
        manifest = self._export(out, quantised, quality, recording)
        return CalibrationResult(manifest=manifest, quality=quality, costs=costs, keep_list=keep_list)

    def _costs(
        self, recording: Recording, observations: Observations, scales: dict[str, float]
    ) -> tuple[LayerCost, ...]:
        """Measure what quantising each layer costs."""
        import onnx_ir as ir

        model = self.load()
        layers = layers_of(model)
        balance(model, layers, observations.balances)
        add_twins(model, layers, scales, self.target)
        path = self.work / "twins.onnx"
        ir.save(model, path, external_data=f"{path.name}.data")
        runner = GraphRunner(path, path, self.options.threads)
        samples, runs = list(recording.samples(every=EVERY)), []
        for sample in samples:
            runs.append(runner(sample))
            self.on_phase("comparing layers", len(runs), len(samples))
        _remove(path)
        return costs_of(layers, runs)

    def _keep_list(
        self, recording: Recording, observations: Observations, scales: dict[str, float], costs: Sequence[LayerCost]
    ) -> KeepList:
        """Choose the layers that stay in float32."""
        reference = self._denoised(self.graph, recording)
        path = self.work / "kept.onnx"

        def step_snr(layers: frozenset[str]) -> float:
            self.on_phase("choosing layers", len(layers), len(costs))
            graph = self._quantise(observations, scales, layers, path)
            return step_quality(reference, self._denoised(graph, recording))

        keep_list = find_keep_list(costs, MIN_STEP_SNR, step_snr, max_share=MAX_KEPT_SHARE)
        _remove(path)
        return keep_list

    def _denoised(self, graph: Path, recording: Recording) -> list[NDArray[Any]]:
        """Denoised latents of some recorded steps."""
        ports = self.source.manifest.components["denoiser"].outputs
        output = next(port.tensor for port in ports if port.kind == "latent" and port.slot == "denoised")
        run = GraphRunner(graph, graph, self.options.threads)
        return [run(sample)[output] for sample in recording.samples(every=EVERY)]

    def _quantise(
        self, observations: Observations, scales: dict[str, float], float32_layers: frozenset[str], path: Path
    ) -> Path:
        """Write the quantised denoiser to `path`."""
        import onnx_ir as ir

        model = self.load()
        layers = layers_of(model)
        balance(model, layers, observations.balances)
        quantise(model, [layer for layer in layers if layer.name not in float32_layers], scales, self.target)
        _remove(path)
        ir.save(model, path, external_data=f"{path.name}.data")
        return path

    def _quality(self, graph: Path) -> Quality:
        """Compare the quantised denoiser's pictures with the reference's."""
        prompts = [self.options.prompts[-1 - number % len(self.options.prompts)] for number in range(PICTURES)]
        seed, steps = self.options.seed + GATE_SEED, self.options.steps
        self.on_phase("comparing pictures", 0, 2)
        reference = pictures_of(self.pipe, prompts, seed=seed, steps=steps)
        self.on_phase("comparing pictures", 1, 2)
        session = open_session(graph, REFERENCE_TARGET, threads=self.options.threads)
        quality = quality_of(reference, pictures_of(self.pipe, prompts, seed=seed, steps=steps, session=session))
        if (judge := self.options.judge) is not None:
            self.on_phase("judging pictures", 0, 2)
            before = judge.count(self.pipe, steps=steps)
            self.on_phase("judging pictures", 1, 2)
            after = judge.count(self.pipe, steps=steps, session=session)
            quality = judge.with_counts(quality, reference=before, right=after)
        session.close()
        return quality

    def _export(self, out: Path, graph: Path, quality: Quality, recording: Recording) -> Manifest:
        """Write the source's files and the quantised graph as a complete export."""
        before = self.source.manifest
        entry = before.components["denoiser"]
        pairs = zip(self._denoised(graph, recording), self._denoised(self.graph, recording), strict=True)
        parity = measure_agreement(pairs, self.target.precision).to_json("float32 onnx")
        with replacing_bundle(out) as folder:
            for name in before.files:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self.source.file(name), folder / name)
            place = folder / "engines" / "denoiser" / f"onnx-{self.options.precision}" / "model.onnx"
            place.parent.mkdir(parents=True, exist_ok=True)
            for file in (graph, graph.with_name(f"{graph.name}.data")):
                shutil.move(file, place.with_name(file.name))
            engine = EngineEntry(
                target=EXPORTED,
                precision=self.target.precision,
                path=place.relative_to(folder).as_posix(),
                parity={**parity, **quality.to_parity()},
            )
            others = tuple(one for one in entry.engines if one.precision != engine.precision)
            denoiser = replace(entry, engines=(engine, *others))
            return write_bundle(
                folder,
                replace(
                    before,
                    components={**before.components, "denoiser": denoiser},
                    sampling=replace(before.sampling, ranges=recording.ranges()),
                    files={},
                ),
            )


def _remove(graph: Path) -> None:
    for file in (graph, graph.with_name(f"{graph.name}.data")):
        file.unlink(missing_ok=True)
