"""What the denoiser reads in real generations: the whole generate loop, a few steps of each picture kept.

Kept is what a step reads for one picture (both halves of classifier-free guidance), some hundred KB even for a model
of true size; activations are made of it again, as often as they are needed, by `taps.py`. Every run is a file that is
written whole, so that what was interrupted goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latentlink.calibration.latent_ranges import BATCH, ranges_of, statistics
from latentlink.engine.bundle import LatentRange
from latentlink.files import atomic_file
from latentlink.runtime import Pipeline, Progress
from latentlink.runtime.guards import Guard
from latentlink.runtime.samplers import CLEAN
from latentlink.runtime.sessions import Buffer, Session

if TYPE_CHECKING:
    from PIL.Image import Image

STRATA = 4
"""Steps of a run that are kept: one from each quarter of its noise levels."""

GOLDEN = (5**0.5 - 1) / 2
"""Moves the kept steps of one run against those of the next, so that together they fill their quarter evenly."""

LARGE = 1024
"""Latent pixels from which pictures are generated one at a time."""

STRENGTH = 0.6
"""How far pictures are noised where a run begins with one."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRun:
    """One run of the generate loop, for a batch of prompts.

    Args:
        number: Its own, from 0.
        kind: `text`, `guidance`, `img2img` or `inpaint`.
        generations: Numbers of its pictures: of prompt and seed.
        guidance: Factor on the model's own guidance; 0 runs without.
    """

    number: int
    kind: str
    generations: range
    guidance: float = 1.0


def runs_of(pipe: Pipeline, count: int) -> tuple[GenerationRun, ...]:
    """What is run: `count` pictures from text; then some with less and more guidance, from pictures, and around a mask.

    Args:
        pipe: The model.
        count: Pictures from text.
    """
    size = pipe.sampling.width * pipe.sampling.height // pipe.space.downscale**2
    batch = BATCH if size < LARGE else 1
    runs = [
        GenerationRun(number=number, kind="text", generations=range(first, min(first + batch, count)))
        for number, first in enumerate(range(0, count, batch))
    ]
    first = runs[0].generations
    more = [("guidance", 0.0), ("guidance", 0.5), ("guidance", 1.5)]
    if any(engine.component == "vae_encoder" for engine in pipe.engines):
        more += [("img2img", 1.0), ("inpaint", 1.0)]
    runs += [
        GenerationRun(number=len(runs) + number, kind=kind, generations=first, guidance=factor)
        for number, (kind, factor) in enumerate(more)
    ]
    return tuple(runs)


class Recorder:
    """A session that remembers what the last step read for one picture of the batch."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.inputs, self.outputs = session.inputs, session.outputs
        self.row = 0
        self.last: dict[str, NDArray[Any]] = {}
        self.upload, self.empty, self.write = session.upload, session.empty, session.write
        self.take, self.gather = session.take, session.gather
        self.placement, self.elapsed, self.close = session.placement, session.elapsed, session.close

    def run(self, inputs: Mapping[str, Buffer], outputs: Mapping[str, Buffer | None]) -> Mapping[str, Buffer]:
        """Run once; see `Session.run`."""
        arrays = {name: buffer.numpy() for name, buffer in inputs.items()}
        batch = next(arrays[port.tensor].shape[0] for port in self.inputs if port.kind == "coefficients")
        picture = self.row % batch
        self.last = {name: array[picture::batch].copy() for name, array in arrays.items()}  # rows n mod B: its halves
        self.row += 1
        return self.session.run(inputs, outputs)


@dataclass(slots=True, kw_only=True)
class _RunRecord:
    """What is kept of a run."""

    samples: list[Arrays] = field(default_factory=list)
    rows: list[NDArray[np.float64]] = field(default_factory=list)


class Recording:
    """Runs of a model, each a file of a folder.

    Args:
        folder: Where the files are; those that are there are not made again.
        runs: See `runs_of`.
    """

    def __init__(self, folder: Path, runs: Sequence[GenerationRun]) -> None:
        self.folder = folder
        self.runs = tuple(runs)

    def record(
        self,
        pipe: Pipeline,
        prompts: Sequence[str],
        *,
        steps: int | None,
        seed: int,
        on_done: Callable[[int, int], object] = lambda done, total: None,
    ) -> None:
        """Make the runs that are not there yet, with the model's own sampler and size.

        Args:
            pipe: The model.
            prompts: What its users ask for; generation n takes prompt n, beginning again after the last.
            steps: Of a run; None takes the model's own.
            seed: Generation n takes the noise of `seed + n`.
            on_done: Called with (runs done, runs in all).

        Raises:
            GuardError: A latent is not finite.
        """
        from safetensors.numpy import save_file

        for run in self.runs:
            path = self._path(run)
            if not path.exists():
                given = {} if run.kind in ("text", "guidance") else self._start(run, pipe)
                tensors = _recorded(pipe, prompts, run, given, steps, seed)
                with atomic_file(path) as part:
                    save_file(tensors, part, metadata={"run": json.dumps([run.number, run.kind])})
            on_done(run.number + 1, len(self.runs))

    def samples(self, *, every: int = 1) -> Iterator[Arrays]:
        """What a step read, by tensor, for one picture; one after the other, a file at a time.

        Args:
            every: Takes every n-th.
        """
        number = 0
        for run in self.runs:
            tensors = _load(self._path(run))
            for index in sorted({int(name.partition("/")[0]) for name in tensors if name[0].isdigit()}):
                if number % every == 0:
                    prefix = f"{index}/"
                    yield {name[len(prefix) :]: array for name, array in tensors.items() if name.startswith(prefix)}
                number += 1

    def ranges(self) -> tuple[LatentRange, ...]:
        """What latents are like by noise level, over the runs from text with the model's own guidance."""
        found = [_load(self._path(run)) for run in self.runs if run.kind == "text"]
        return ranges_of(np.concatenate([one["statistics"] for one in found], axis=1), found[0]["levels"])

    def _start(self, run: GenerationRun, pipe: Pipeline) -> dict[str, Any]:
        """Pictures of the first run, and a mask that paints their left half."""
        from PIL import Image

        pictures: list[Image.Image] = [Image.fromarray(one) for one in _load(self._path(self.runs[0]))["pictures"]]
        if run.kind == "img2img":
            return {"init_image": pictures, "strength": STRENGTH}
        mask = np.zeros((pictures[0].height, pictures[0].width), np.uint8)
        mask[:, : mask.shape[1] // 2] = 255
        return {"init_image": pictures, "mask_image": Image.fromarray(mask)}

    def _path(self, run: GenerationRun) -> Path:
        return self.folder / f"run-{run.number:05d}.safetensors"


def _recorded(
    pipe: Pipeline, prompts: Sequence[str], run: GenerationRun, given: Mapping[str, Any], steps: int | None, seed: int
) -> dict[str, NDArray[Any]]:
    finite = Guard.of("on", ())
    kept = _RunRecord()
    first = run.number == 0
    recorders: list[Recorder] = []

    def wrap(session: Session) -> Session:
        recorders.append(Recorder(session))
        return recorders[0]

    def look(at: Progress) -> None:
        latents = at.latents()
        finite.latents("denoiser", latents, level=CLEAN)
        kept.rows.append(statistics(latents))
        if at.row - 1 in _rows(at.rows, run.number):
            kept.samples.append(recorders[0].last)

    view = pipe.observed(wrap)
    result = view.generate(
        [prompts[number % len(prompts)] for number in run.generations],
        seed=[seed + number for number in run.generations],
        steps=steps,
        guidance=max(pipe.sampling.guidance * run.guidance, 1.0) if run.guidance != 1 else None,
        decode=first,
        guard="off",
        on_step=look,
        **given,
    )
    tensors = {f"{number}/{name}": array for number, one in enumerate(kept.samples) for name, array in one.items()}
    if first:
        tensors["pictures"] = np.stack([np.asarray(image) for image in result.images])
    if run.kind == "text":
        tensors["statistics"] = np.stack(kept.rows)
        tensors["levels"] = np.ascontiguousarray(result.request.table().levels[1:], dtype=np.float64)
    return {name: np.ascontiguousarray(array) for name, array in tensors.items()}


def _rows(rows: int, number: int) -> set[int]:
    """The rows of a run to keep, one a stratum."""
    shift = (number * GOLDEN) % 1
    return {int((stratum + shift) * rows / STRATA) for stratum in range(STRATA)}


def _load(path: Path) -> dict[str, NDArray[Any]]:
    from safetensors.numpy import load_file

    tensors: dict[str, NDArray[Any]] = load_file(path)
    return tensors
