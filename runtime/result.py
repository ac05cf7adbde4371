"""What a generation returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from latentlink.runtime.denoising.step_cache import Unmeasured
from latentlink.runtime.guards import Mended
from latentlink.runtime.request import Latents, Request

if TYPE_CHECKING:
    from PIL.Image import Image


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
        mended: Pictures and latents that overflowed and were made again by a wider engine.
        unmeasured_cache: The run's step cache, if its effect on quality was not measured.
        passes: Number of passes of `vae_encoder` and `vae_decoder`, if more than one (see `vae_memory` of `load`).
    """

    images: list[Image]
    latents: Latents
    timings: Mapping[str, float]
    requests: tuple[Request, ...]
    passes: Mapping[str, int] = field(default_factory=dict)
    mended: tuple[Mended, ...] = ()
    unmeasured_cache: Unmeasured | None = None

    @property
    def request(self) -> Request:
        """The request of the first picture."""
        return self.requests[0]
