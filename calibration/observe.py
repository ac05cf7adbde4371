"""Two passes over the recorded steps: largest magnitudes by channel, then histograms. Both can be resumed."""

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
from latentlink.calibration.taps import GraphRunner, add_maxima, add_samples, tap_maxima, tap_samples, taps_of
from latentlink.files import atomic_file

if TYPE_CHECKING:
    import onnx_ir as ir

EVERY = 8
"""The state is saved after this many steps."""

DONE = "done"
"""Key of the number of samples that a state includes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Observations:
    """Statistics of the activations of a denoiser's layers.

    Args:
        balances: Divisors of channels, see `balances_of`.
        histograms: Histogram by activation, after balancing.
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
        load: Loads a new copy of the float32 graph.
        source: The graph's file.
        recording: A complete recording.
        folder: Directory of the state; work that it includes is not repeated.
        threads: Threads of a run.
        on_done: Called with the phase, samples done and samples in all.
    """
    total = sum(1 for _ in recording.samples())
    taps = taps_of(layers_of(load()), outputs=True)

    def open_graph(add: Callable[[ir.Model], None]) -> GraphRunner:
        model = load()
        add(model)
        return GraphRunner(model, source, threads)

    def run_pass(
        phase: str, path: Path, run: Callable[[], GraphRunner], state: dict[str, NDArray[Any]], add: _AddSample
    ) -> None:
        """Run one pass, from where the state ends."""
        begin = int(state.get(DONE, 0))
        if begin >= total:
            on_done(phase, total, total)
            return
        runner = run()
        for number, sample in enumerate(recording.samples()):
            if number < begin:
                continue
            add(runner, sample, number)
            on_done(phase, number + 1, total)
            if (number + 1) % EVERY == 0 or number + 1 == total:
                state[DONE] = np.array(number + 1)
                with atomic_file(path) as part, part.open("wb") as file:
                    np.savez(file, allow_pickle=False, **state)

    maxima_file = folder / "maxima.npz"
    maxima = _read(maxima_file)
    run_pass(
        "ranges",
        maxima_file,
        lambda: open_graph(lambda model: tap_maxima(model, taps)),
        maxima,
        lambda runner, sample, number: add_maxima(runner, sample, maxima),
    )
    maxima.pop(DONE, None)
    balances = balances_of(layers_of(load()), maxima)
    largest = {name: float((array / balances.get(name, np.float32(1))).max()) for name, array in maxima.items()}

    counts_file = folder / "histograms.npz"
    counts = _read(counts_file)
    histograms = {}
    for name, top in largest.items():
        histograms[name] = Histogram(top=top)
        if name in counts:
            histograms[name].counts[:] = counts[name]
        counts[name] = histograms[name].counts
    factors = {name: (1 / factor).astype(np.float32) for name, factor in balances.items()}
    run_pass(
        "histograms",
        counts_file,
        lambda: open_graph(lambda model: tap_samples(model, taps, factors)),
        counts,
        lambda runner, sample, number: add_samples(runner, sample, number, histograms),
    )
    return Observations(balances=balances, histograms=histograms)


_AddSample = Callable[[GraphRunner, Mapping[str, NDArray[Any]], int], None]


def _read(path: Path) -> dict[str, NDArray[Any]]:
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
