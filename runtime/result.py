"""What a generation returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from latentlink.checks import instance, path_of, whole
from latentlink.errors import UsageError
from latentlink.runtime.denoising.step_cache import Unmeasured
from latentlink.runtime.guards import Mended
from latentlink.runtime.picture_files import Record, picture_bytes, save_pictures
from latentlink.runtime.request import Latents, Request

if TYPE_CHECKING:
    from PIL.Image import Image

_NO_PICTURES, _DECODE = "The result has no pictures; expected one that was decoded.", "Leave decode=False out."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Result:
    """The result of `generate`.

    Args:
        images: The pictures in the order of the prompts; the pictures of one prompt stand together.
        latents: Their latents.
        timings: Seconds by stage: `text_encoder`, `vae_encoder`, `denoiser`, `vae_decoder`, `total`;
            `denoiser_engine` is the part of `denoiser` that was spent inside the engine. `waiting` is what this call
            waited for those of other threads; no other entry contains it.
        requests: For each picture the request with every default resolved, including its seed.
        records: For each picture how it was made, as its file says it: its request, the model, what it started from.
        mended: Pictures and latents that overflowed and were made again by a wider engine.
        unmeasured_cache: The run's step cache, if its effect on quality was not measured.
        passes: Number of passes of `vae_encoder` and `vae_decoder`, if more than one (see `vae_memory` of `load`).
    """

    images: list[Image]
    latents: Latents
    timings: Mapping[str, float]
    requests: tuple[Request, ...]
    records: tuple[Record, ...]
    passes: Mapping[str, int] = field(default_factory=dict)
    mended: tuple[Mended, ...] = ()
    unmeasured_cache: Unmeasured | None = None

    @property
    def request(self) -> Request:
        """The request of the first picture."""
        return self.requests[0]

    @property
    def seeds(self) -> str:
        """The seeds of the pictures in words: `seed 7`, `seeds 7 to 10` or `seeds 3, 9`."""
        listed = [request.seed for request in self.requests]
        if self.request.batch_seed:
            return f"seed {listed[0]} of the batch"
        if len(listed) == 1:
            return f"seed {listed[0]}"
        if listed == [*range(listed[0], listed[0] + len(listed))]:
            return f"seeds {listed[0]} to {listed[-1]}"
        return f"seeds {', '.join(map(str, listed))}"

    def __repr__(self) -> str:
        """Number, size and seconds; no prompt, as this may end in a log."""
        request, count = self.request, len(self.images)
        what = f"{count} {'picture' if count == 1 else 'pictures'}" if count else "no pictures"
        size, seconds = f"{request.width}x{request.height}", f"{self.timings['total']:.2f} s"
        steps = sorted({one.steps for one in self.requests})
        span = f"{steps[0]} to {steps[-1]}" if len(steps) > 1 else f"{steps[0]}"
        return f"<Result: {what}, {size}, {span} steps, {self.seeds}, {seconds}>"

    def save(self, path: str | Path, *, quality: int | None = None, metadata: bool = True) -> list[Path]:
        """Write the pictures, each atomically: OUT.png, or OUT-1.png, OUT-2.png, ... if there are several.

        PNG, JPEG, WebP and AVIF say how the picture was made, for this program (`latentlink.picture_options`) and in
        the text that galleries and web UIs read; TIFF for this program alone. Equal pictures make equal files.

        Args:
            path: The file; its ending names the format.
            quality: Of JPEG, WebP and AVIF, 1 to 100; None is 95.
            metadata: Whether the files say how the pictures were made, with the prompts.

        Returns:
            The files, in the order of the pictures.

        Raises:
            UsageError: There are no pictures, the ending is that of no such format, or the format has no quality.
            OSError: A file cannot be written.
        """
        file = path_of("path", path)
        if not self.images:
            raise UsageError(_NO_PICTURES, remedy=_DECODE)
        return save_pictures(self.images, file, records=self.records if metadata else (), quality=quality)

    def encoded(
        self, number: int = 0, *, format: str = "PNG", quality: int | None = None, metadata: bool = True
    ) -> bytes:
        """The bytes of a picture's file, as `save` would write it: for a service, which writes no file.

        Args:
            number: Number of the picture, from 0.
            format: `PNG`, `JPEG`, `WebP`, `AVIF` or another one that `save` writes.
            quality: As of `save`.
            metadata: As of `save`.

        Raises:
            UsageError: There is no such picture or format, or the format has no quality.
        """
        if not self.images:
            raise UsageError(_NO_PICTURES, remedy=_DECODE)
        at = whole("number", number, 0, len(self.images) - 1)
        instance("format", format, str)
        record = self.records[at] if metadata else None
        return picture_bytes(self.images[at], format, record=record, quality=quality)
