"""One model, or several, with many settings: a picture for each, as one labelled sheet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from PIL import Image

from latentlink.bench.sheets.axes import Axes, titled
from latentlink.bench.sheets.grid import GridCell, GridRow, fitted, grid, stacked
from latentlink.errors import GuardError
from latentlink.options import MAX_BATCH
from latentlink.runtime import Pipeline, Result
from latentlink.runtime.picture_files import Record
from latentlink.runtime.request import Request
from latentlink.runtime.sessions.host_session import HostSession
from latentlink.runtime.steps import Steps
from latentlink.runtime.text import PromptEmbeddings

PER_PICTURE = ("seed", "steps", "guidance", "sampler")
"""Settings that the pictures of one call of `generate` may have each of its own."""

USUAL = ("sampler", "steps", "guidance", "seed", "width", "height")
"""Settings that a sheet names also if nobody has set them."""

TEXTS = ("bundle", "prompt", "negative_prompt")
"""Settings that are no options of a call that gets its prompts encoded."""

PIXELS_AT_ONCE = 1 << 21
"""Most pixels of the pictures that are drawn in one batch: 8 of 512x512."""

LEAST_SHOWN = 128
"""Pixels that the longer side of a picture in a sheet has at least, by default: labels need the room."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Pictures that one call of `generate` makes.

    Args:
        pipe: The pipeline.
        numbers: Their places in the sheet.
        texts: Their prompts, encoded.
        own: For each picture, the settings that it has of its own.
        shared: The options that all of them have.
    """

    pipe: Pipeline
    numbers: tuple[int, ...]
    texts: tuple[PromptEmbeddings, ...]
    own: tuple[Mapping[str, Any], ...]
    shared: Mapping[str, Any]

    def steps(self) -> Steps:
        """The call, its arguments checked, of which nothing ran.

        Raises:
            UsageError: See `Pipeline.generate`.
        """
        texts = PromptEmbeddings(
            prompts=tuple(one for text in self.texts for one in text.prompts),
            negative_prompts=tuple(one for text in self.texts for one in text.negative_prompts),
            arrays=tuple(one for text in self.texts for one in text.arrays),
        )
        own: dict[str, Any] = {name: [picture[name] for picture in self.own] for name in self.own[0]}
        return self.pipe.steps(texts, **own, **self.shared)

    def apart(self) -> list[Batch]:
        """A batch for each picture."""
        return [
            replace(self, numbers=(number,), texts=(text,), own=(own,))
            for number, text, own in zip(self.numbers, self.texts, self.own, strict=True)
        ]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Drawn:
    """What became of one picture of a sheet.

    Args:
        number: Its place.
        picture: The picture; None if a guard refused it.
        request: With what it was made; None if a guard refused it.
        record: How its file says it was made; None if a guard refused it.
        fault: Why a guard refused it.
        seconds: Seconds that it took: its share of those of its batch.
        result: What the call that made it returned, as long as that is kept.
    """

    number: int
    picture: Image.Image | None = None
    request: Request | None = None
    record: Record | None = None
    fault: str | None = None
    seconds: float = 0.0
    result: Result | None = None

    def reduced(self, most: int) -> Drawn:
        """The same with a picture of at most that many pixels a side, and without the latents, to be kept."""
        picture = self.picture
        if picture is not None and max(picture.size) > most:
            picture = fitted(picture, most, most)
        return replace(self, picture=picture, result=None)


def plan(
    pipes: Mapping[str, Pipeline], axes: Axes, options: dict[str, Any], *, at_once: int | None = None
) -> list[Batch]:
    """Encode every prompt once and check all settings, so that a wrong one is told before anything is drawn.

    On a GPU pictures are drawn in batches. On a processor, where a batch saves little, each is drawn alone: there it is
    bit for bit the picture that `generate` makes.

    Args:
        pipes: The open bundles, by name.
        axes: The settings of all pictures.
        options: Further options of `generate`, the same for all.
        at_once: Most pictures of a batch; None is what the engines accept, and a bounded number of pixels.

    Raises:
        UsageError: A model does not accept a setting.
        GuardError: The embedding of a prompt is not finite.
    """
    cells = axes.cells
    groups: dict[tuple[Any, ...], list[int]] = {}
    for number, cell in enumerate(cells):
        groups.setdefault((cell["bundle"], *_shared(cell).items()), []).append(number)
    most = {key: at_once or most_at_once(pipes[key[0]], options | dict(key[1:])) for key in groups}
    guard = options.get("guard", "on")
    encoded: dict[tuple[str, str, str | None], PromptEmbeddings] = {}
    for bundle, prompt, negative in dict.fromkeys(map(_text, cells)):
        texts = pipes[bundle].encode_prompt(prompt, negative_prompt=negative, guard=guard)
        encoded[bundle, prompt, negative] = texts
    batches = [
        Batch(
            pipe=pipes[key[0]],
            numbers=tuple(some),
            texts=tuple(encoded[_text(cells[one])] for one in some),
            own=tuple({name: cells[one][name] for name in PER_PICTURE if name in cells[one]} for one in some),
            shared=options | dict(key[1:]),
        )
        for key, numbers in groups.items()
        for some in (numbers[at : at + most[key]] for at in range(0, len(numbers), most[key]))
    ]
    for batch in batches:
        batch.steps().close()
    return batches


def _text(cell: Mapping[str, Any]) -> tuple[str, str, str | None]:
    """What a picture reads of the text encoders: its bundle, prompt and negative prompt."""
    return cell["bundle"], cell["prompt"], cell.get("negative_prompt")


def _shared(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that all pictures of a call have in common."""
    return {name: value for name, value in cell.items() if name not in (*PER_PICTURE, *TEXTS)}


def most_at_once(pipe: Pipeline, options: Mapping[str, Any]) -> int:
    """Most pictures in one batch: one on a processor; on a GPU what the engines accept, and `PIXELS_AT_ONCE`.

    Args:
        pipe: The pipeline.
        options: Options of `generate`, of which the size is read.
    """
    if isinstance(pipe.linked.denoiser.session, HostSession):
        return 1
    start = options.get("init_image")
    width, height = (pipe.sampling.width, pipe.sampling.height) if start is None else start.size
    pixels = (options.get("width") or width) * (options.get("height") or height)
    accepted = [engine.limits["B"][2] for engine in pipe.whole_engines if "B" in engine.limits]
    return max(min(MAX_BATCH, PIXELS_AT_ONCE // pixels, *accepted), 1)


def draw(batches: Sequence[Batch], *, on_progress: Callable[[float], None] | None = None) -> Iterator[Drawn]:
    """Draw all pictures, batch by batch. What a guard refuses becomes a place without a picture.

    Args:
        batches: From `plan`.
        on_progress: Called with the number of pictures that are done, after every row.

    Raises:
        LatentLinkError: See `Pipeline.generate`, but for `GuardError`.
    """
    waiting, done = list(batches), 0
    while waiting:
        batch = waiting.pop(0)
        count = len(batch.numbers)
        try:
            steps = batch.steps()
            for at in steps:
                if on_progress is not None:
                    on_progress(done + count * at.row / at.rows)
        except GuardError as error:
            if count > 1:  # the others of this batch may be sound
                waiting[:0] = batch.apart()
                continue
            yield Drawn(number=batch.numbers[0], fault=f"{error.message} {error.cause}")
        else:
            result = steps.result
            seconds = result.timings["total"] / count
            made = zip(batch.numbers, result.images, result.requests, result.records, strict=True)
            for number, picture, request, record in made:
                yield Drawn(
                    number=number, picture=picture, request=request, record=record, seconds=seconds, result=result
                )
        done += count


def sheet(axes: Axes, drawn: Sequence[Drawn], *, side: int | None = None) -> Image.Image:
    """All pictures, with the settings that differ as labels and those that are equal above all.

    Args:
        axes: The axes.
        drawn: The pictures, of any size, in their order.
        side: The longer side of every picture in the sheet, in pixels; None is that of the largest, in multiples until
            labels have room, or less if the sheet would be too large.
    """
    blocks, rows, columns = axes.parts
    if side is None:
        longest = max((max(one.picture.size) for one in drawn if one.picture is not None), default=LEAST_SHOWN)
        side = min(longest * -(-LEAST_SHOWN // longest), axes.most_side)
    cells = [_cell(one, side) for one in drawn]
    shapes = [cell.picture.shape for cell in cells if cell.picture is not None] or [(side, side)]
    height, width = (max(shape[axis] for shape in shapes) for axis in (0, 1))
    titles = [titled(column) for column in columns]
    left, made = iter(cells), []
    for block in blocks:
        lines = [GridRow(label=titled(row), cells=tuple(islice(left, len(columns)))) for row in rows]
        made.append((titled(block), grid(titles, lines, side=(width, height), label_width=None)))
    return stacked(titled(_common(axes, drawn)), made)


def _cell(drawn: Drawn, side: int) -> GridCell:
    picture = None if drawn.picture is None else np.asarray(fitted(drawn.picture, side, side))
    return GridCell(picture=picture, reason=drawn.fault or "")


def _common(axes: Axes, drawn: Sequence[Drawn]) -> dict[str, Any]:
    """The settings that all pictures share: those that were given, and the usual ones as they were resolved."""
    varied = [axis.name for axis in axes.varied]
    own = {name: {getattr(one.request, name) for one in drawn if one.request is not None} for name in USUAL}
    resolved = {name: values.pop() for name, values in own.items() if len(values) == 1 and name not in varied}
    first = {name: axes.fixed[name] for name in ("bundle", "prompt") if name in axes.fixed}
    return first | resolved | dict(axes.fixed)
