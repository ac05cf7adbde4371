"""Record the denoiser's inputs in real generations, at a few steps of every picture.

Only a step's inputs for one picture (both halves of classifier-free guidance) are stored: some hundred KB even for a
model of true size. Activations are recomputed from them as often as needed (`taps.py`). Every run is one file, written
atomically, so that an interrupted recording can be resumed.
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
from latentlink.engine.bundle import Arrays, LatentRange
from latentlink.files import atomic_file
from latentlink.runtime import Pipeline, Progress
from latentlink.runtime.guards import Guard
from latentlink.runtime.samplers import CLEAN
from latentlink.runtime.sessions import Buffer, Session

if TYPE_CHECKING:
    from PIL.Image import Image

STRATA = 4
"""Steps that are recorded of a run: one from each quarter of its rows."""

GOLDEN = (5**0.5 - 1) / 2
"""Shift between the recorded steps of successive runs, so that together they fill their quarter evenly."""

LARGE = 1024
"""Latent pixels from which on pictures are generated one at a time."""

STRENGTH = 0.6
"""Strength of the runs that start from a picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRun:
    """One run of the generate loop, for a batch of prompts.

    Args:
        number: Number of the run, from 0.
        kind: `text`, `guidance`, `img2img` or `inpaint`.
        generations: Numbers of its pictures, which determine prompt and seed.
        guidance: Factor on the model's own guidance scale; 0 disables guidance.
    """

    number: int
    kind: str
    generations: range
    guidance: float = 1.0


def runs_of(pipe: Pipeline, count: int) -> tuple[GenerationRun, ...]:
    """The runs to record: `count` pictures from text, then a few with other guidance scales, img2img and inpainting.

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
    """A session that stores the inputs of its last run, for one picture of the batch."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.inputs, self.outputs = session.inputs, session.outputs
        self.row = 0
        self.last: dict[str, NDArray[Any]] = {}
        self.upload, self.empty, self.write = session.upload, session.empty, session.write
        self.take, self.gather = session.take, session.gather
        self.placement, self.wait = session.placement, session.wait
        self.trim, self.close = session.trim, session.close

    def run(self, inputs: Mapping[str, Buffer], outputs: Mapping[str, Buffer | None]) -> Mapping[str, Buffer]:
        """Run and store the inputs; see `Session.run`."""
        arrays = {name: buffer.numpy() for name, buffer in inputs.items()}
        batch = next(arrays[port.tensor].shape[0] for port in self.inputs if port.kind == "coefficients")
        picture = self.row % batch
        self.last = {
            name: array[picture::batch].copy() for name, array in arrays.items()
        }  # rows n mod B: both halves of guidance
        self.row += 1
        return self.session.run(inputs, outputs)


@dataclass(slots=True, kw_only=True)
class _RunRecord:
    """Inputs of the recorded steps of a run, and statistics of its latents after every row."""

    samples: list[Arrays] = field(default_factory=list)
    rows: list[NDArray[np.float64]] = field(default_factory=list)


class Recording:
    """Recorded runs of a model, one file each.

    Args:
        folder: Directory of the files; runs whose file exists are not repeated.
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
        """Record the missing runs, with the model's own sampler and size.

        Args:
            pipe: The model.
            prompts: Prompts typical of its users; generation n takes prompt n, modulo their number.
            steps: Denoising steps; None for the model's default.
            seed: Generation n has seed `seed + n`.
            on_done: Called with (runs done, runs in all).

        Raises:
            GuardError: A latent is not finite.
        """
        from safetensors.numpy import save_file

        for run in self.runs:
            path = self._path(run)
            if not path.exists():
                inputs = {} if run.kind in ("text", "guidance") else self._start(run, pipe)
                tensors = _record_run(pipe, prompts, run, inputs, steps, seed)
                with atomic_file(path) as part:
                    save_file(tensors, part, metadata={"run": json.dumps([run.number, run.kind])})
            on_done(run.number + 1, len(self.runs))

    def samples(self, *, every: int = 1) -> Iterator[Arrays]:
        """The recorded steps' inputs by tensor, for one picture each; one file is open at a time.

        Args:
            every: Yield every n-th sample.
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
        """Latent ranges by noise level, over the runs from text with the model's own guidance."""
        runs = [_load(self._path(run)) for run in self.runs if run.kind == "text"]
        return ranges_of(np.concatenate([one["statistics"] for one in runs], axis=1), runs[0]["levels"])

    def _start(self, run: GenerationRun, pipe: Pipeline) -> dict[str, Any]:
        """Arguments for pictures of the first run as initial pictures, and a mask that repaints their left half."""
        from PIL import Image

        pictures: list[Image.Image] = [Image.fromarray(one) for one in _load(self._path(self.runs[0]))["pictures"]]
        if run.kind == "img2img":
            return {"init_image": pictures, "strength": STRENGTH}
        mask = np.zeros((pictures[0].height, pictures[0].width), np.uint8)
        mask[:, : mask.shape[1] // 2] = 255
        return {"init_image": pictures, "mask_image": Image.fromarray(mask)}

    def _path(self, run: GenerationRun) -> Path:
        return self.folder / f"run-{run.number:05d}.safetensors"


def _record_run(
    pipe: Pipeline, prompts: Sequence[str], run: GenerationRun, inputs: Mapping[str, Any], steps: int | None, seed: int
) -> dict[str, NDArray[Any]]:
    """Generate, and return the tensors of the run's file."""
    finite = Guard.of("on", ())
    record = _RunRecord()
    first = run.number == 0
    recorders: list[Recorder] = []

    def wrap(session: Session) -> Session:
        recorders.append(Recorder(session))
        return recorders[0]

    def look(at: Progress) -> None:
        latents = at.latents()
        finite.latents("denoiser", latents, level=CLEAN)
        record.rows.append(statistics(latents))
        if at.row - 1 in _rows(at.rows, run.number):
            record.samples.append(recorders[0].last)

    view = pipe.observe(wrap)
    result = view.generate(
        [prompts[number % len(prompts)] for number in run.generations],
        seed=[seed + number for number in run.generations],
        steps=steps,
        guidance=max(pipe.sampling.guidance * run.guidance, 1.0) if run.guidance != 1 else None,
        decode=first,
        guard="off",
        on_step=look,
        **inputs,
    )
    tensors = {f"{number}/{name}": array for number, one in enumerate(record.samples) for name, array in one.items()}
    if first:
        tensors["pictures"] = np.stack([np.asarray(image) for image in result.images])
    if run.kind == "text":
        tensors["statistics"] = np.stack(record.rows)
        tensors["levels"] = np.ascontiguousarray(result.request.table().levels[1:], dtype=np.float64)
    return {name: np.ascontiguousarray(array) for name, array in tensors.items()}


def _rows(rows: int, number: int) -> set[int]:
    """The rows of a run to record, one per stratum."""
    shift = (number * GOLDEN) % 1
    return {int((stratum + shift) * rows / STRATA) for stratum in range(STRATA)}


def _load(path: Path) -> dict[str, NDArray[Any]]:
    from safetensors.numpy import load_file

    tensors: dict[str, NDArray[Any]] = load_file(path)
    return tensors
