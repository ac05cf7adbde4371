"""From an export to an export with a quantised denoiser: record, observe, quantise, compare, and only then write."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentlink.calibration.balance import balance
from latentlink.calibration.formats import FORMATS, Format
from latentlink.calibration.layers import layers_of
from latentlink.calibration.observe import Observations, observe
from latentlink.calibration.observers import OBSERVERS
from latentlink.calibration.picture_quality import pictures_of, quality_of
from latentlink.calibration.qdq import quantise
from latentlink.calibration.quantise_options import CalibrationOptions, float32_denoiser, open_float32_export
from latentlink.calibration.recording import Recording, runs_of
from latentlink.calibration.sensitivity import LayerCost, add_twins, costs_of, keep_list, step_quality
from latentlink.calibration.taps import GraphRunner
from latentlink.engine.build import build_bundle
from latentlink.engine.builders import BuildOptions
from latentlink.engine.bundle import Bundle, EngineEntry, Manifest, is_bundle, write_bundle
from latentlink.engine.quality import Quality, measure_agreement
from latentlink.errors import BuildError
from latentlink.files import replacing_directory
from latentlink.runtime import Pipeline, load
from latentlink.runtime.sessions import open_session
from latentlink.spaces import digest

if TYPE_CHECKING:
    import onnx_ir as ir
    from numpy.typing import NDArray

PICTURES = 8
"""Pictures that the gate compares."""

GATE_SEED = 1 << 20
"""Added to the seeds of the gate's pictures, so that none of them was calibrated with."""

LEAST_STEP_SNR = 10.0
"""dB that the denoised latent of one step has to reach, over recorded steps of all noise levels. The trained demo
model is at 12 to 15 with all of its layers quantised, and draws what is asked as often as in float32."""

MOST_KEPT = 0.25
"""Share of the weights that may stay in float32 for it: above that little is left of what quantising saves."""

EVERY = 4
"""Of the recorded steps, those on which the layers are compared: the fourth, and so on."""

OnPhase = Callable[[str, int, int], object]
"""Called with what is done, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationResult:
    """What became of it.

    Args:
        manifest: Of the export that was written.
        quality: Of its pictures beside the reference's.
        costs: Of the layers, the worst first.
        kept: Names of those that stayed in float32.
        step_snr: dB of one step's denoised latent.
    """

    manifest: Manifest
    quality: Quality
    costs: tuple[LayerCost, ...]
    kept: frozenset[str]
    step_snr: float


def calibrate_export(
    exported: str | Path,
    out: str | Path,
    options: CalibrationOptions,
    *,
    target: Format | None = None,
    on_phase: OnPhase = lambda phase, done, total: None,
) -> CalibrationResult:
    """Quantise the denoiser of an export.

    What was recorded and observed lies beside `out` until it is done, so that the same call goes on where an
    interrupted one stopped; the other precision begins there, too.

    Args:
        exported: Directory that `latentlink export` wrote, its denoiser in float32.
        out: Export to write: the same components, the denoiser's quantised graph before the float32 one, and the
            latents' ranges.
        asked: What the user chose.
        target: The format; None takes that of the precision.
        told: Called as the work goes on.

    Raises:
        UsageError: `exported` is not such an export, or `out` is it.
        BundleError: It is damaged.
        BuildError: The quantised denoiser does not reach the gate.
    """
    source = open_float32_export(exported, out)
    path = Path(out).absolute()
    key: dict[str, Any] = {"files": {name: file.sha256 for name, file in source.manifest.files.items()}}
    key |= {"asked": [options.prompts, options.count, options.steps, options.seed]}
    work = path.with_name(f".{path.name}.calibration-{digest(key)}")
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "reference").exists():
        on_phase("building the reference", 0, 1)
        build_bundle(exported, work / "reference", options=BuildOptions(precision="fp32"))
    with load(work / "reference", target="ort-cpu", threads=options.threads, verify=False) as pipe:
        done = _Calibration(
            source=source,
            pipe=pipe,
            work=work,
            options=options,
            on_phase=on_phase,
            target=target or FORMATS[options.precision],
        )
        found = done.write(path)
    shutil.rmtree(work)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Calibration:
    """A calibration under way; the arguments are those of `calibrate_export`.

    Args:
        pipe: The float32 model, running.
        work: Folder for what is interim.
    """

    source: Bundle
    pipe: Pipeline
    work: Path
    options: CalibrationOptions
    on_phase: OnPhase
    target: Format

    @property
    def entry(self) -> EngineEntry:
        """The float32 denoiser."""
        return float32_denoiser(self.source)

    def load(self) -> ir.Model:
        """Its graph, anew."""
        import onnx_ir as ir

        return ir.load(self.source.file(self.entry.path))

    def write(self, out: Path) -> CalibrationResult:
        """All of it."""
        options = self.options
        recording = Recording(self.work, runs_of(self.pipe, options.count))
        recording.record(
            self.pipe,
            options.prompts,
            steps=options.steps,
            seed=options.seed,
            on_done=lambda done, total: self.on_phase("generating", done, total),
        )
        observed = observe(
            self.load,
            self.source.file(self.entry.path),
            recording,
            self.work,
            threads=options.threads,
            on_done=lambda phase, done, total: self.on_phase(f"observing {phase}", done, total),
        )
        scales = {
            name: OBSERVERS[options.observer](histogram, self.target) for name, histogram in observed.histograms.items()
        }
        costs = self._costs(recording, observed, scales)
        kept, step_snr = self._kept(recording, observed, scales, costs)
        graph = self._quantised(observed, scales, kept, self.work / "model.onnx")
        quality = self._quality(graph)
        if missed := quality.shortfall_summary():
            worst = ", ".join(f"{cost.layer} ({cost.operator}, {cost.sqnr:.1f} dB)" for cost in costs[:5])
            raise BuildError(
                f"The denoiser in {options.precision} does not reach the gate: {missed}. The layers that lose most: "
                f"{worst}.",
                remedy="Calibrate with more prompts (--count), another --observer or the other precision.",
            )
        manifest = self._export(out, graph, quality, recording)
        return CalibrationResult(manifest=manifest, quality=quality, costs=costs, kept=kept, step_snr=step_snr)

    def _costs(self, recording: Recording, observed: Observations, scales: dict[str, float]) -> tuple[LayerCost, ...]:
        import onnx_ir as ir

        model = self.load()
        layers = layers_of(model)
        balance(model, layers, observed.balances)
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

    def _kept(
        self, recording: Recording, observed: Observations, scales: dict[str, float], costs: Sequence[LayerCost]
    ) -> tuple[frozenset[str], float]:
        wanted = self._denoised(self.source.file(self.entry.path), recording)
        path = self.work / "kept.onnx"

        def quality(kept: frozenset[str]) -> float:
            self.on_phase("choosing layers", len(kept), len(costs))
            return step_quality(wanted, self._denoised(self._quantised(observed, scales, kept, path), recording))

        found = keep_list(costs, LEAST_STEP_SNR, quality, most=MOST_KEPT)
        _remove(path)
        return found

    def _denoised(self, graph: Path, recording: Recording) -> list[NDArray[Any]]:
        """What a graph makes of some of the recorded steps: D, as the sampler goes on with it."""
        ports = self.source.manifest.components["denoiser"].outputs
        output = next(port.tensor for port in ports if port.kind == "latent" and port.slot == "denoised")
        run = GraphRunner(graph, graph, self.options.threads)
        return [run(sample)[output] for sample in recording.samples(every=EVERY)]

    def _quantised(self, observed: Observations, scales: dict[str, float], kept: frozenset[str], path: Path) -> Path:
        import onnx_ir as ir

        model = self.load()
        layers = layers_of(model)
        balance(model, layers, observed.balances)
        quantise(model, [layer for layer in layers if layer.name not in kept], scales, self.target)
        _remove(path)
        ir.save(model, path, external_data=f"{path.name}.data")
        return path

    def _quality(self, graph: Path) -> Quality:
        prompts = [self.options.prompts[-1 - number % len(self.options.prompts)] for number in range(PICTURES)]
        seed = self.options.seed + GATE_SEED
        self.on_phase("comparing pictures", 0, 2)
        reference = pictures_of(self.pipe, prompts, seed=seed, steps=self.options.steps)
        self.on_phase("comparing pictures", 1, 2)
        session = open_session(graph, "ort-cpu", threads=self.options.threads)
        steps = self.options.steps
        quality = quality_of(reference, pictures_of(self.pipe, prompts, seed=seed, steps=steps, session=session))
        if (judge := self.options.judge) is not None:
            self.on_phase("judging pictures", 0, 2)
            before = judge.count(self.pipe, steps=steps)
            self.on_phase("judging pictures", 1, 2)
            after = judge.count(self.pipe, steps=steps, session=session)
            quality = judge.added(quality, reference=before, right=after)
        session.close()
        return quality

    def _export(self, out: Path, graph: Path, quality: Quality, recording: Recording) -> Manifest:
        """The source's files and the quantised graph, as a whole export."""
        before = self.source.manifest
        entry = before.components["denoiser"]
        pairs = zip(
            self._denoised(graph, recording), self._denoised(self.source.file(self.entry.path), recording), strict=True
        )
        parity = measure_agreement(pairs, self.target.precision).to_json("float32 onnx")
        with replacing_directory(out, is_ours=is_bundle) as folder:
            for name in before.files:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self.source.file(name), folder / name)
            place = folder / "engines" / "denoiser" / f"onnx-{self.options.precision}" / "model.onnx"
            place.parent.mkdir(parents=True, exist_ok=True)
            for file in (graph, graph.with_name(f"{graph.name}.data")):
                shutil.move(file, place.with_name(file.name))
            engine = EngineEntry(
                target="onnx",
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
