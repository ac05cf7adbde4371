"""A linked bundle: prompts to pictures, latents to pictures, pictures to latents."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

import numpy as np
from numpy.typing import NDArray

from latentlink.checks import callback, shown
from latentlink.engine.bundle import Manifest, Sampling
from latentlink.errors import UsageError
from latentlink.options import GenerateOptions, requested
from latentlink.runtime.denoising import OnStep, begin, denoise, guided_rows, reuse_of
from latentlink.runtime.denoising.conditioning import conditioning
from latentlink.runtime.denoising.step_cache import unmeasured
from latentlink.runtime.guards import Guard, generated_margin
from latentlink.runtime.linking import Decision, Engine, Linked, LinkedVae
from latentlink.runtime.request import (
    Inputs,
    Request,
    as_list,
    check_limits,
    check_memory,
    documented,
    pixels,
    resolve,
    seeds,
    size_of,
)
from latentlink.runtime.request.latents import Latents, check_latents
from latentlink.runtime.result import Result
from latentlink.runtime.samplers import CLEAN
from latentlink.runtime.samplers.noise import noise_source
from latentlink.runtime.sessions import Session
from latentlink.runtime.sessions.clock import CLOCK
from latentlink.runtime.sessions.host_session import HostSession
from latentlink.runtime.text import Prompts
from latentlink.runtime.unusual_settings import unusual_settings
from latentlink.runtime.vae import Autoencoder, GuardedVae
from latentlink.spaces import LatentSpace

if TYPE_CHECKING:
    from PIL.Image import Image

STRENGTH = 0.8
"""Default strength of a run that starts from a picture or latents without a mask, as in diffusers."""


class Pipeline:
    """A linked bundle. Made by `latentlink.load`; a context manager that closes its engines.

    A VAE alone does all but `generate` and `observe`.

    Threads may share one: each call returns what it would return alone. `ort-cpu` engines run several calls at once;
    with all others, calls take turns. A process that was forked afterwards loads its own.

    Args:
        name: Name of the bundle, as the user gave it.
        manifest: Its manifest.
        sampling: Training schedule and defaults of the denoiser, which may come from another bundle.
        halves: The halves of its VAE, linked.
        linked: All its engines, linked; None for a VAE alone.
        prompts: A tokenizer for every text encoder.
        space: The latent space of the denoiser, or of a VAE alone.
        engines: All its engines; it closes them.
        decisions: What was decided while it was opened: the engines that run, and those that were skipped.
        vae_memory: Maximum bytes that the VAE may take for a picture; None sets no budget.
        wider: By component, a function that opens a VAE engine of wider precision, for results that overflowed.
        previews: The halves linked with another decoder, for previews; None uses the pipeline's own.
    """

    def __init__(
        self,
        *,
        name: str,
        manifest: Manifest,
        sampling: Sampling,
        halves: LinkedVae,
        linked: Linked | None,
        prompts: Mapping[str, Prompts],
        space: LatentSpace,
        engines: Sequence[Engine],
        decisions: Sequence[Decision] = (),
        vae_memory: int | None = None,
        wider: Mapping[str, Callable[[], Engine]] | None = None,
        previews: LinkedVae | None = None,
    ) -> None:
        self.name = name
        self.manifest = manifest
        self.sampling = sampling
        self.space = space
        self.engines = tuple(engines)
        self.decisions = tuple(decisions)
        self.vae = GuardedVae(halves=Autoencoder(name=name, linked=halves, memory=vae_memory), wider=wider or {})
        self._linked = linked
        self._previews = Autoencoder(name=name, linked=previews or halves, memory=vae_memory)
        self._prompts = prompts
        self._owns_engines = True
        self._process = os.getpid()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def whole_engines(self) -> tuple[Engine, ...]:
        """The engines that run on the whole picture: all but the VAE's, which can work in several passes."""
        halves = self.vae.halves.linked
        return tuple(engine for engine in self.engines if engine not in (halves.decoder, halves.encoder))

    @property
    def linked(self) -> Linked:
        """All engines, by what they do.

        Raises:
            UsageError: It is a VAE alone, which has no denoiser.
        """
        if self._linked is None:
            raise UsageError(
                f"{self.name} is a VAE alone ({', '.join(one.component for one in self.engines)}): it has no denoiser "
                "and no text encoder to draw with.",
                remedy="It encodes, decodes and transfers. To draw, take the bundle of a whole model; it can use this "
                "VAE if the latent spaces are the same: --replace vae_decoder=BUNDLE.",
            )
        return self._linked

    def observe(self, wrap: Callable[[Session], Session]) -> Self:
        """The same pipeline with its denoiser's session wrapped: to record what it reads, or to compare engines.

        Both pipelines share the engines. Closing the returned one does nothing; closing this one closes them.

        Args:
            wrap: Returns the session to run in the place of the one that it gets, with the same ports. The caller
                closes what it opens.
        """
        view = copy(self)
        view._owns_engines = False
        denoiser = self.linked.denoiser
        view._linked = replace(self.linked, denoiser=replace(denoiser, session=wrap(denoiser.session)))
        return view

    def close(self) -> None:
        """Close the engines. Closing twice is harmless.

        An engine's run that another thread has begun ends normally, and its memory is released then. That thread's
        call ends with UsageError at the next engine that it runs; later calls are refused at once.
        """
        if not self._owns_engines or self._process != os.getpid():
            return
        self._closed = True
        decoder = self._previews.linked.decoder
        for engine in (*self.engines, *(() if decoder is None else (decoder,))):
            engine.session.close()
        self.vae.close()

    def _check_open(self) -> None:
        if self._process != os.getpid():
            raise UsageError(
                f"The pipeline of {self.name} was opened before this process was forked; expected one of its own.",
                remedy="Load the bundle in each process, after the fork.",
            )
        if self._closed:
            raise UsageError(
                f"The pipeline of {self.name} is closed; expected an open one.", remedy="Load the bundle again."
            )

    @documented(GenerateOptions)
    def generate(
        self, prompt: str | Sequence[str], *, on_step: OnStep | None = None, **options: Unpack[GenerateOptions]
    ) -> Result:
        """Make pictures.

        Args:
            prompt: What to draw; several prompts make one batch. Where the model's text encoder reads prompts in
                pieces, they may be of any length, and `(words:1.3)` weights words.
            on_step: Called after every row; returning False cancels, as does any false value but None.
            options: See `GenerateOptions`.

        Raises:
            UsageError: An argument is not of its type or out of range, the pipeline was closed, or is a VAE alone.
            TypeError: There is no such argument.
            LinkError: `init_latents` are of another space.
            GuardError: An embedding or latent is not finite, a latent is outside of the model's range, or a picture
                is flat or noise.
            Cancelled: `on_step` returned a false value that is not None.
        """
        self._check_open()
        callback("on_step", on_step)
        began, waited = CLOCK.now(), CLOCK.waited
        linked = self.linked
        values = requested(options)
        inputs = self._inputs(values)
        watch = Guard.of(values.get("guard", "on"), self.sampling.ranges)
        width, height = size_of(
            inputs,
            values.get("width"),
            values.get("height"),
            multiple=self.sampling.size_multiple,
            downscale=self.space.downscale,
        )
        decode = values.get("decode", True)
        request = resolve(
            self.sampling,
            prompt,
            {**values, "width": width, "height": height},
            default_strength=STRENGTH if (inputs.images or inputs.latents is not None) and not inputs.masks else None,
            shallow=linked.shallow is not None,
        )
        check_limits(
            self.whole_engines,
            width=request.width,
            height=request.height,
            batch=request.batch,
            downscale=self.space.downscale,
        )
        if isinstance(self.linked.denoiser.session, HostSession):
            check_memory(request.width, request.height, request.batch)
        passes = self.vae.halves.passes(
            width=request.width, height=request.height, encode=bool(inputs.images), decode=decode
        )
        checked = CLOCK.now()
        table = request.table()
        session, latent, shape = linked.denoiser.session, linked.latent, self._shape(request)
        watch = replace(
            watch,
            unusual=unusual_settings(
                request,
                self.sampling,
                table,
                guided=any(port.kind == "guidance" for port in session.inputs),
                weighted=any(prompts.chunks for prompts in self._prompts.values()),
            ),
        )
        source = noise_source(request.noise, request.seed, request.batch)
        guided = guided_rows(linked.denoiser, request, table)
        reuse = reuse_of(linked, request, table, guided, sampling=self.sampling, name=self.name)
        feeds = conditioning(linked, self._prompts, request, guided)
        for tensor, (engine, _) in linked.texts.items():
            if watch.on:  # otherwise the embedding is not copied to the host
                watch.embedding(engine.component, feeds[bool(guided.any())][tensor].numpy())
        encoded = CLOCK.now()
        start = begin(
            inputs,
            request,
            table=table,
            shape=shape,
            latent=latent,
            ports=session.inputs,
            draw=source,
            encode=partial(self.vae.encode, watch),
        )
        if inputs.latents is not None:
            handed_over = request.denoising_start is not None
            watch.latents("init_latents", inputs.latents, level=_pair(table.levels[0]) if handed_over else CLEAN)
        started = CLOCK.now()
        done = denoise(
            session,
            latent=latent,
            table=table,
            prediction=request.schedule.prediction_type,
            start=start.x,
            conditioning=[feeds[row] for row in guided.tolist()],
            constant={tensor: session.upload(array) for tensor, array in start.constant.items()},
            noise=lambda: source(shape),
            around=start.around,
            reuse=reuse,
            on_step=on_step,
        )
        level = _pair(table.levels[-1])
        margin = generated_margin(table.steps, self.sampling.steps)
        watch.latents("denoiser", done.array, level=level, margin=margin, generated=True)
        latents = Latents(array=done.array, space=self.space, level=level)
        denoised = CLOCK.now()
        images = self.vae.decode(watch, done.array, clean=level == CLEAN, written=done.buffer) if decode else []
        ended = CLOCK.now()
        timings = {
            "text_encoder": encoded - checked,
            "vae_encoder": started - encoded,
            "denoiser": denoised - started,
            "denoiser_engine": done.seconds,
            "vae_decoder": ended - denoised,
            "total": ended - began,
            "waiting": CLOCK.waited - waited,
        }
        return Result(
            images=images,
            latents=latents,
            timings=timings,
            request=request,
            passes=passes,
            mended=tuple(watch.mended),
            unmeasured_cache=unmeasured(request, self.sampling),
        )

    def decode(self, latents: Latents, *, guard: str = "on") -> list[Image]:
        """Decode latents to pictures, one at a time so that memory does not grow with the batch.

        Args:
            latents: Latents without noise; decode half-way ones with `guard="off"`.
            guard: `on` checks latents and pictures, see docs/guards.md; `off` returns them unchecked.

        Raises:
            LinkError: The latents are of another space.
            UsageError: They are not latents, hold values that are not finite, or do not fit the memory; or the bundle
                has no VAE decoder.
            GuardError: They are outside of the model's range, or a picture is flat or noise.
        """
        self._check_open()
        watch = Guard.of(guard, self.sampling.ranges)
        array = self._own(latents).array
        watch.latents("latents", array, level=CLEAN)
        return self.vae.decode(watch, array, clean=True)

    def preview(self, latents: NDArray[np.floating]) -> list[Image]:
        """Decode the predicted latents of a run, with the decoder that `load` opened for previews; no guard runs.

        Args:
            latents: The value of `Progress.predicted()`: `[B, C, h, w]`, of this bundle's space.

        Raises:
            UsageError: They are not such an array, or do not fit the memory.
        """
        self._check_open()
        channels = self.space.channels
        shape: tuple[int, ...] = latents.shape if isinstance(latents, np.ndarray) else ()
        if len(shape) != 4 or shape[1] != channels or 0 in shape or not np.issubdtype(latents.dtype, np.floating):
            raise UsageError(
                f"latents is {shown(latents)}; expected an array of floating-point numbers [B, {channels}, h, w].",
                remedy="In on_step, progress.predicted() makes one; decode reads latentlink.Latents.",
            )
        return self._previews.decode(latents)

    def encode(
        self, images: Image | Sequence[Image], *, seed: int | Sequence[int] | None = None, guard: str = "on"
    ) -> Latents:
        """Encode pictures to latents of this bundle's space.

        Args:
            images: Pictures of equal size, whose sides are multiples of the space's downscale.
            seed: Seed, or one seed per picture, of the noise that samples the posterior; None takes the mode.
            guard: `on` checks the latents, see docs/guards.md; `off` returns them unchecked.

        Raises:
            UsageError: The bundle has no VAE encoder, a size or the memory does not fit, or an argument is not of its
                type.
            GuardError: The latents are not finite, or outside of the model's range.
        """
        self._check_open()
        watch = Guard.of(guard, self.sampling.ranges)
        listed = as_list(images)
        width, height = listed[0].size
        if other := next((image.size for image in listed if image.size != listed[0].size), None):
            raise UsageError(f"The pictures are {width}x{height} and {other[0]}x{other[1]}; expected one size.")
        downscale = self.space.downscale
        if height % downscale or width % downscale:
            near = "x".join(str(max(round(side / downscale), 1) * downscale) for side in (width, height))
            raise UsageError(
                f"The picture is {width}x{height}; expected multiples of {downscale}.",
                remedy=f"Resize it to {near}, as encode --fit does.",
            )
        shape = (len(listed), self.space.channels, height // downscale, width // downscale)
        count = len(listed)
        noise = np.zeros(shape, np.float32) if seed is None else noise_source("torch", seeds(seed, count), count)(shape)
        return Latents(array=self.vae.encode(watch, pixels(listed, width, height), None, noise), space=self.space)

    def _inputs(self, values: Mapping[str, Any]) -> Inputs:
        """The pictures, masks or latents that a run starts from.

        Args:
            values: The options that are not None.

        Raises:
            UsageError: An input is not of its type, or both strength and denoising_start are given.
            LinkError: The latents are of another space.
        """
        strength, start = values.get("strength"), values.get("denoising_start")
        if strength is not None and start is not None:
            raise UsageError(f"strength {strength} and denoising_start {start} both say where to begin; expected one.")
        latents = self._own(values["init_latents"]) if "init_latents" in values else None
        return Inputs(
            images=as_list(values["init_image"]) if "init_image" in values else [],
            masks=as_list(values["mask_image"]) if "mask_image" in values else [],
            latents=None if latents is None else latents.array.astype(np.float32),
            level=None if latents is None else latents.level,
        )

    def _own(self, latents: object) -> Latents:
        """Check that latents are finite numbers of the space that the denoiser writes."""
        return check_latents(latents, self.space, self.name)

    def _shape(self, request: Request) -> tuple[int, int, int, int]:
        """Shape of the latent, `[B, C, h, w]`."""
        downscale = self.space.downscale
        return request.batch, self.space.channels, request.height // downscale, request.width // downscale


def _pair(level: NDArray[np.float64]) -> tuple[float, float]:
    signal, noise = map(float, level)
    return signal, noise
