"""Two passes over recorded steps: largest magnitudes by channel, then histograms. Both go on where they stopped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latentlink.calibration.balance import balances_of
from latentlink.calibration.layers import layers_of
from latentlink.calibration.observers import Histogram
from latentlink.calibration.recording import Recording
from latentlink.calibration.taps import GraphRunner, see_maxima, see_samples, tap_maxima, tap_samples, taps_of
from latentlink.files import atomic_file

if TYPE_CHECKING:
    import onnx_ir as ir

EVERY = 8
"""Steps after which the state is written."""

DONE = "done"
"""Where a state says how many samples it has seen."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Observations:
    """What the activations of a denoiser's layers are like.

    Args:
        balances: See `balances_of`.
        histograms: By activation, after balancing.
    """

    balances: Mapping[str, NDArray[np.float32]]
    histograms: Mapping[str, Histogram]


def observe(
    load: Callable[[], ir.Model],
    source: Path,
    recording: Recording,
    folder: Path,
    *,
    threads: int | None = None,
    on_done: Callable[[str, int, int], object] = lambda phase, done, total: None,
) -> Observations:
    """Run the recorded steps twice.

    Args:
        load: Loads the float32 graph anew.
        source: Where it lies.
        recording: Complete.
        folder: For the state; what is there is not done again.
        threads: Of a run.
        on_done: Called with the phase's name, samples done and samples in all.
    """
    total = sum(1 for _ in recording.samples())
    taps = taps_of(layers_of(load()), outputs=True)

    def opened(add: Callable[[ir.Model], None]) -> GraphRunner:
        model = load()
        add(model)
        return GraphRunner(model, source, threads)

    def passed(
        phase: str, path: Path, run: Callable[[], GraphRunner], state: dict[str, NDArray[Any]], see: _See
    ) -> None:
        """One pass from where the state is."""
        begin = int(state.get(DONE, 0))
        if begin >= total:
            on_done(phase, total, total)
            return
        runner = run()
        for number, sample in enumerate(recording.samples()):
            if number < begin:
                continue
            see(runner, sample, number)
            on_done(phase, number + 1, total)
            if (number + 1) % EVERY == 0 or number + 1 == total:
                state[DONE] = np.array(number + 1)
                with atomic_file(path) as part, part.open("wb") as file:
                    np.savez(file, allow_pickle=False, **state)

    ranges = folder / "maxima.npz"
    maxima = _read(ranges)
    passed(
        "ranges",
        ranges,
        lambda: opened(lambda model: tap_maxima(model, taps)),
        maxima,
        lambda runner, sample, number: see_maxima(runner, sample, maxima),
    )
    maxima.pop(DONE, None)
    balances = balances_of(layers_of(load()), maxima)
    tops = {name: float((array / balances.get(name, np.float32(1))).max()) for name, array in maxima.items()}

    counted = folder / "histograms.npz"
    counts = _read(counted)
    histograms = {}
    for name, top in tops.items():
        histograms[name] = Histogram(top=top)
        if name in counts:
            histograms[name].counts[:] = counts[name]
        counts[name] = histograms[name].counts
    factors = {name: (1 / factor).astype(np.float32) for name, factor in balances.items()}
    passed(
        "histograms",
        counted,
        lambda: opened(lambda model: tap_samples(model, taps, factors)),
        counts,
        lambda runner, sample, number: see_samples(runner, sample, number, histograms),
    )
    return Observations(balances=balances, histograms=histograms)


_See = Callable[[GraphRunner, Mapping[str, NDArray[Any]], int], None]


def _read(path: Path) -> dict[str, NDArray[Any]]:
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
