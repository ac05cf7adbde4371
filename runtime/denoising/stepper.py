"""The stepper: one row of each of several runs, in one run of the engine. It never decides which runs.

A batch keeps one buffer per tensor while the same runs step together, so that nothing but a row of numbers crosses to
the device. Runs that join or leave are gathered into the buffers of a new batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from latentlink.ports import COEFFICIENTS, HISTORY, Port
from latentlink.runtime.denoising.run import Run, Slot, State, collect, on_host, slots
from latentlink.runtime.linking import Engine
from latentlink.runtime.sessions import Buffer, Session


class Stepper:
    """Steps runs of one denoiser and one picture size.

    Args:
        denoiser: The denoiser.
        shallow: The engine of shallow rows, which can read the denoiser's buffers; None if no run has any.
        latent: The denoiser's latent output.
    """

    def __init__(self, *, denoiser: Engine, shallow: Engine | None, latent: Port) -> None:
        self.session, self.shallow = denoiser.session, None if shallow is None else shallow.session
        self.latent, self.dtype = latent, np.dtype(latent.dtype)
        self.coefficients = next(port.tensor for port in self.session.inputs if port.kind == "coefficients")
        self.guidance = next((port.tensor for port in self.session.inputs if port.kind == "guidance"), None)
        self.features = [port for port in self.session.outputs if port.kind == "feature"]
        self.history = [latent.at(f"history{age}").tensor for age in range(1, HISTORY + 1)]
        self.reads = {engine: {port.tensor for port in engine.inputs} for engine in self.engines}
        self._least, _, _ = denoiser.limits.get("B", (1, 1, 1))

    @property
    def engines(self) -> tuple[Session, ...]:
        """The engines that run."""
        return (self.session,) if self.shallow is None else (self.session, self.shallow)

    def step(self, runs: Sequence[Run]) -> None:
        """Run the next row of each run. All have the same key and the same kinds of constant inputs."""
        batch = runs[0].home
        if not isinstance(batch, _Batch) or batch.runs != tuple(runs):
            batch = _Batch(self, tuple(runs), max(len(runs), self._least))
        batch.step()

    def write(self, runs: Sequence[Run], latents: NDArray[np.floating]) -> None:
        """Replace the latents of runs that have stepped, `[B, C, h, w]` of the engine's dtype."""
        own = {id(run): latent for run, latent in zip(runs, latents, strict=True)}
        for batch in {id(run.home): run.home for run in runs}.values():
            if isinstance(batch, _Batch):
                self.session.write(batch.x, np.stack([own[id(run)] for run in batch.members]))

    def wait(self) -> None:
        """Wait for the rows that ran."""
        for engine in self.engines:
            engine.wait()


class _Batch:
    """Runs that step together.

    Args:
        stepper: Whose engines run.
        runs: The runs.
        size: Rows of the engine, at least as many as there are runs; the others repeat the last run.
    """

    def __init__(self, stepper: Stepper, runs: tuple[Run, ...], size: int) -> None:
        self.stepper, self.runs, self.size = stepper, runs, size
        self.members = [*runs, *[runs[-1]] * (size - len(runs))]
        self._places = {id(run): place for place, run in enumerate(runs)}
        session, states = stepper.session, [run.state for run in self.members]
        self.shape = states[0].x.shape
        zeros = np.zeros((size, *self.shape), stepper.dtype)
        # Used in turn: x is read from one and written to the other; a row overwrites the oldest D, which it no longer
        # reads, with its own.
        self.x, self.spare = collect(session, [state.x for state in states]), session.empty(zeros.shape, zeros.dtype)
        past = [[state.past[age] for state in states] for age in range(HISTORY)]
        self.past = [collect(session, of) if any(of) else session.upload(zeros) for of in past]
        self.past.append(session.upload(zeros))
        self._noise = session.upload(zeros)
        self._row = session.upload(np.zeros((size, len(COEFFICIENTS)), np.float32))
        self._constant = {
            tensor: collect(session, [run.constant[tensor] for run in self.members]) for tensor in runs[0].constant
        }
        self._texts: dict[bool, dict[str, Buffer]] = {}
        self._scales = [run.guidance for run in self.members]
        self._guidance = session.upload(np.array(self._scales, np.float32))
        self._features: dict[bool, dict[str, Buffer]] = {}
        self._take_features(states)
        for run in runs:
            run.home = self

    def state(self, run: Run) -> State:
        """The tensors of a run, as of the last row that ran."""
        place = self._places[id(run)]
        x, *past = (Slot(buffer, place, self.size, self.shape) for buffer in (self.x, *self.past[:HISTORY]))
        guided = bool(run.guided[max(run.row - 1, 0)])
        features: dict[str, tuple[Slot | None, Slot]] = {}
        for port in self.stepper.features if guided in self._features else ():
            rows, *shape = self._feature_shape(port, guided)
            listed = slots(self._features[guided][port.tensor], rows, shape)
            features[port.tensor] = (listed[place], listed[self.size + place]) if guided else (None, listed[place])
        return State(x=x, past=tuple(past), features=features)

    def step(self) -> None:
        """Run the next row of every run."""
        stepper, first = self.stepper, self.runs[0]
        session, latent = stepper.session, stepper.latent
        guided, shallow = bool(first.guided[first.row]), bool(first.shallow[first.row])
        self._write_numbers()
        if guided not in self._features:
            self._features[guided] = self._empty_features(guided)
        features = self._features[guided]
        feeds = {
            latent.at("x").tensor: self.x,
            latent.at("noise").tensor: self._noise,
            stepper.coefficients: self._row,
            **dict(zip(stepper.history, self.past, strict=False)),
            **self._constant,
            **self._conditioning(guided),
            **features,
        }
        engine = stepper.shallow if shallow and stepper.shallow is not None else session
        written = features if engine is session else {}
        inputs = {tensor: buffer for tensor, buffer in feeds.items() if tensor in stepper.reads[engine]}
        engine.run(inputs, {latent.tensor: self.spare, latent.at("denoised").tensor: self.past[-1], **written})
        self.x, self.spare = self.spare, self.x
        self.past.insert(0, self.past.pop())
        for run in self.runs:
            run.advance()

    def _write_numbers(self) -> None:
        """What crosses to the device in a row: coefficients, and noise and guidance where they are other ones."""
        session, runs = self.stepper.session, self.members
        if any(run.drawn is not None for run in self.runs):
            still = np.zeros(self.shape, np.float32)
            drawn = np.stack([still if run.drawn is None else run.drawn for run in runs])
            session.write(self._noise, drawn.astype(self.stepper.dtype))
        session.write(self._row, np.stack([run.coefficients[run.row] for run in runs]))
        if (scales := [run.guidance for run in runs]) != self._scales:
            self._scales = scales
            session.write(self._guidance, np.array(scales, np.float32))

    def _conditioning(self, guided: bool) -> dict[str, Buffer]:
        """Buffers of text, conditions and guidance; the unconditional half comes first."""
        session, runs, guidance = self.stepper.session, self.members, self.stepper.guidance
        if guided not in self._texts:
            self._texts[guided] = made = {}
            for tensor in runs[0].texts:
                halves = [run.texts[tensor].unconditional for run in runs] if guided else []
                made[tensor] = collect(session, [*halves, *(run.texts[tensor].prompt for run in runs)])
            for tensor in runs[0].conditions:
                numbers = [run.conditions[tensor][1] for run in runs] if guided else []
                numbers += [run.conditions[tensor][0] for run in runs]
                made[tensor] = session.upload(np.array(numbers, np.float32))
        return self._texts[guided] | ({} if guidance is None else {guidance: self._guidance})

    def _empty_features(self, guided: bool) -> dict[str, Buffer]:
        """Buffers for the deep features, one row per prediction."""
        return {
            port.tensor: self.stepper.session.empty(self._feature_shape(port, guided), np.dtype(port.dtype))
            for port in self.stepper.features
        }

    def _feature_shape(self, port: Port, guided: bool) -> tuple[int, ...]:
        sides = (side * self.stepper.latent.size("f") // port.size("f") for side in self.shape[1:])
        return self.size * (2 if guided else 1), port.size("c"), *sides

    def _take_features(self, states: Sequence[State]) -> None:
        """Take over the features that the next rows read, if they are shallow."""
        first = self.runs[0]
        if not first.shallow[first.row]:
            return
        guided = bool(first.guided[first.row])
        halves = (0, 1) if guided else (1,)
        self._features[guided] = {
            port.tensor: collect(
                self.stepper.session, [state.features[port.tensor][half] for half in halves for state in states]
            )
            for port in self.stepper.features
        }

    def seen(self, run: Run) -> tuple[Slot, Slot]:
        """The x that a run's last row read, and its D."""
        place = self._places[id(run)]
        read, denoised = (Slot(buffer, place, self.size, self.shape) for buffer in (self.spare, self.past[0]))
        return read, denoised


def predicted(runs: Sequence[Run]) -> NDArray[np.float32]:
    """The finished latents that the last rows of runs predicted, float32 `[B, C, h, w]`; at least one row ran."""
    pairs = [run.home.seen(run) for run in runs if isinstance(run.home, _Batch)]
    weights = np.stack([run.clean[run.row - 1] for run in runs])
    x, denoised = (on_host([pair[part] for pair in pairs]).astype(np.float32) for part in (0, 1))
    each = weights.T.reshape(2, -1, 1, 1, 1)
    made: NDArray[np.float32] = each[0] * x + each[1] * denoised
    return made
