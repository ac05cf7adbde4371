"""A linked bundle: prompts to pictures, latents to pictures, pictures to latents."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from latentlink.engine.bundle import Manifest, Sampling
from latentlink.errors import UsageError
from latentlink.runtime.denoising import OnStep, begin, denoise, guided_rows, reuse_of
from latentlink.runtime.denoising.conditioning import conditioning
from latentlink.runtime.denoising.step_cache import told
from latentlink.runtime.guards import Guard, generated_margin
from latentlink.runtime.latents import Latents, check_latents
from latentlink.runtime.linking import Engine, Linked
from latentlink.runtime.request import Given, Request, as_list, check_limits, pixels, resolve, seeds, size_of
from latentlink.runtime.samplers import CLEAN
from latentlink.runtime.samplers.noise import noise_source
from latentlink.runtime.sessions import Session
from latentlink.runtime.text import Prompts
from latentlink.runtime.vae import Autoencoder, GuardedVae
from latentlink.spaces import LatentSpace

if TYPE_CHECKING:
    from PIL.Image import Image

STRENGTH = 0.8
"""How far a start without a mask is noised where nothing is said, as in diffusers."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Result:
    """What `generate` made.

    Args:
        images: The pictures, in the order of the prompts, each prompt's pictures together.
        latents: Their latents.
        timings: Seconds by stage: `text_encoder`, `vae_encoder`, `denoiser`, `vae_decoder`, `total`;
            `denoiser_engine` is the part of `denoiser` that was spent inside the engine.
        request: What was asked, every default resolved; the seed too.
        notes: What was mended: a picture or latent that overflowed and was made again by a wider engine.
        passes: Passes of `vae_encoder` and `vae_decoder`, where a picture took several (see `load`, memory).
    """

    images: list[Image]
    latents: Latents
    timings: Mapping[str, float]
    request: Request
    passes: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Pipeline:
    """A linked bundle. Made by `latentlink.load`; a context manager that closes its engines.

    Args:
        name: Name of the bundle, as the user gave it.
        manifest: Its manifest.
        sampling: Training schedule and defaults of the denoiser, which may come from another bundle.
        linked: Its engines, linked.
        prompts: A tokenizer for every text encoder.
        space: The space that the denoiser writes.
        notes: What the loader decided, for people: the target taken, engines passed over.
        memory: Bytes that the VAE may take for a picture; None sets no budget.
        wider: By component: opens an engine of the VAE that takes over where half precision overflowed.
        previews: The engines with another decoder, for previews; None takes the pipeline's own.
    """

    def __init__(
        self,
        *,
        name: str,
        manifest: Manifest,
        sampling: Sampling,
        linked: Linked,
        prompts: Mapping[str, Prompts],
        space: LatentSpace,
        engines: Sequence[Engine],
        notes: Sequence[str] = (),
        memory: int | None = None,
        wider: Mapping[str, Callable[[], Engine]] | None = None,
        previews: Linked | None = None,
    ) -> None:
        self.name = name
        self.manifest = manifest
        self.sampling = sampling
        self.space = space
        self.engines = tuple(engines)
        self.notes = tuple(notes)
        self._linked = linked
        self.vae = GuardedVae(halves=Autoencoder(name=name, linked=linked, memory=memory), wider=wider or {})
        self._previews = Autoencoder(name=name, linked=previews or linked, memory=memory)
        self._prompts = prompts

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def whole_engines(self) -> tuple[Engine, ...]:
        """The engines that run on the whole picture: all but the VAE's, which can take several passes."""
        halves = (self._linked.decoder, self._linked.encoder)
        return tuple(engine for engine in self.engines if engine not in halves)

    @contextmanager
    def through(self, wrap: Callable[[Session], Session]) -> Iterator[None]:
        """Run the denoiser through `wrap(session)` until the block ends: to look at what it reads, or to compare.

        Args:
            wrap: Makes the session to run, of the same ports; what it opens is its own to close.
        """
        own = self._linked
        self._linked = replace(own, denoiser=replace(own.denoiser, session=wrap(own.denoiser.session)))
        try:
            yield
        finally:
            self._linked = own

    def close(self) -> None:
        """Close the engines."""
        for engine in (*self.engines, self._previews.linked.decoder):
            engine.session.close()
        self.vae.close()

    def generate(
        self,
        prompt: str | Sequence[str],
        *,
        negative_prompt: str | Sequence[str] | None = None,
        seed: int | Sequence[int] | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        guidance_interval: tuple[float, float] | None = None,
        step_cache: int | None = None,
        sampler: str | None = None,
        spacing: str | None = None,
        sigmas: str | None = None,
        shift: float | None = None,
        eta: float | None = None,
        width: int | None = None,
        height: int | None = None,
        num_images: int = 1,
        noise: str = "torch",
        init_image: Image | Sequence[Image] | None = None,
        mask_image: Image | Sequence[Image] | None = None,
        init_latents: Latents | None = None,
        strength: float | None = None,
        denoising_start: float | None = None,
        denoising_end: float | None = None,
        conditions: Mapping[str, float | Sequence[float]] | None = None,
        decode: bool = True,
        guard: str = "on",
        on_step: OnStep | None = None,
    ) -> Result:
        """Make pictures.

        Args:
            prompt: What to draw; several prompts make one batch. Where the model's text encoder reads prompts in
                pieces, they may be of any length, and `(words:1.3)` weights words.
            negative_prompt: What to stay away from; one for all prompts or one each. Read where guidance is above 1.
            seed: One seed draws the noise of the whole batch from one generator, as diffusers does with one
                `torch.Generator`; one seed a picture gives each its own, so that it does not depend on the others
                (but a prompt shorter than the longest of the batch is read in as many pieces). None takes a random
                one (see `Result.request`).
            steps: Denoising steps; None takes the bundle's default, as for the following.
            guidance: Scale of classifier-free guidance, where 1 or less turns it off and halves the work; what the
                network is told where guidance was distilled into it; without meaning for a model that is not guided.
            guidance_interval: Noise levels between which classifier-free guidance is applied, `low < sigma <= high`, in
                the unit of Kynkäänniemi et al. 2024: the ratio of noise to signal before a call of the network.
                Outside of them a call costs half. None is everywhere.
            step_cache: The whole network runs on every so many steps, a shallow one on those between, on what the deep
                layers made before (Ma et al. 2024). 1 is the whole one always; None is 1 too, unless the bundle was
                measured to lose nothing by more. Needs a bundle that was exported with it.
            sampler: Name of a sampler, see `latentlink.runtime.samplers.SAMPLERS`.
            spacing: Timestep spacing: `leading`, `linspace` or `trailing`; None takes the sampler's.
            sigmas: Noise levels: `karras`, `exponential` or `beta`; None takes the training schedule's.
            shift: Of the noise levels of a flow-matching model; None takes the model's.
            eta: Share of fresh noise of ddim and tcd, 0 to 1; None takes the sampler's.
            width: Picture width in pixels; None takes that of `init_image` or `init_latents`, else the bundle's. Beside
                latents it can only be their own, as they are not resampled.
            height: Picture height in pixels, likewise.
            num_images: Pictures a prompt.
            noise: `torch` (the noise of torch's CPU generator) or `philox`.
            init_image: Picture to start from, resampled where its size is not the one asked; several for several
                prompts.
            mask_image: Of `init_image`: white where to paint, black where to keep.
            init_latents: Latents of this bundle's space to start from, in the place of a picture: finished ones, or
                half-way ones with `denoising_start`.
            strength: How far the start is noised, 0 to 1, and so the share of the steps that run. None is 0.8, and 1
                with a mask or where there is but one step.
            denoising_start: Share of the way that `init_latents` have come already, 0 to 1; they are not noised, and
                have to hold as much noise as this run begins with, where their level is known.
            denoising_end: Share of the way to stop at, leaving latents for another model of the same space.
            conditions: What else the model is told, by name, such as an original size; `inspect` lists the names, and
                `negative_NAME` is for the negative prompt. One number, or a list of them.
            decode: Whether to make pictures of the latents; without, `Result.images` is empty.
            guard: `on` looks at what every stage wrote, see docs/guards.md; `off` returns it as it is.
            on_step: Called after every row; returning False cancels.

        Raises:
            UsageError: An argument is not of its type or out of range, or the pipeline was closed.
            LinkError: `init_latents` are of another space.
            GuardError: An embedding or latent is not finite, a latent is outside of the model's range, or a picture
                is flat or noise.
            Cancelled: `on_step` said so.
        """
        began = perf_counter()
        watch = Guard.of(guard, self.sampling.ranges)
        given = Given(
            images=[] if init_image is None else as_list(init_image),
            masks=[] if mask_image is None else as_list(mask_image),
            latents=None if init_latents is None else self._own(init_latents).array.astype(np.float32),
            level=None if init_latents is None else init_latents.level,
        )
        if strength is not None and denoising_start is not None:
            raise UsageError(
                f"strength {strength} and denoising_start {denoising_start} both say where to begin; expected one."
            )
        width, height = size_of(
            given, width, height, multiple=self.sampling.size_multiple, downscale=self.space.downscale
        )
        request = resolve(
            self.sampling,
            prompt=prompt,
            negative_prompt=negative_prompt,
            seed=secrets.randbits(32) if seed is None else seed,
            steps=steps,
            guidance=guidance,
            guidance_interval=guidance_interval,
            step_cache=step_cache,
            shallow=self._linked.shallow is not None,
            sampler=sampler,
            spacing=spacing,
            sigmas=sigmas,
            shift=shift,
            eta=eta,
            width=width,
            height=height,
            num_images=num_images,
            noise=noise,
            strength=strength,
            denoising_start=denoising_start,
            denoising_end=denoising_end,
            conditions={} if conditions is None else conditions,
            default_strength=STRENGTH if (given.images or given.latents is not None) and not given.masks else None,
        )
        check_limits(
            self.whole_engines,
            width=request.width,
            height=request.height,
            batch=request.batch,
            downscale=self.space.downscale,
        )
        passes = self.vae.halves.passes(
            width=request.width, height=request.height, encode=bool(given.images), decode=decode
        )
        checked = perf_counter()
        table = request.table()
        session, latent, shape = self._linked.denoiser.session, self._linked.latent, self._shape(request)
        source = noise_source(request.noise, request.seed, request.batch)
        guided = guided_rows(self._linked.denoiser, request, table)
        reuse = reuse_of(self._linked, request, table, guided, sampling=self.sampling, name=self.name)
        feeds = conditioning(self._linked, self._prompts, request, guided)
        for tensor, (engine, _) in self._linked.texts.items():
            if watch.on:  # else the embedding stays where it is
                watch.embedding(engine.component, feeds[bool(guided.any())][tensor].numpy())
        encoded = perf_counter()
        start = begin(
            given,
            request,
            table=table,
            shape=shape,
            latent=latent,
            inputs=session.inputs,
            draw=source,
            encode=partial(self.vae.encode, watch),
        )
        if given.latents is not None:
            handed_over = request.denoising_start is not None
            watch.latents("init_latents", given.latents, level=_pair(table.levels[0]) if handed_over else CLEAN)
        started = perf_counter()
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
        denoised = perf_counter()
        images = self.vae.decode(watch, done.array, clean=level == CLEAN, written=done.buffer) if decode else []
        ended = perf_counter()
        timings = {
            "text_encoder": encoded - checked,
            "vae_encoder": started - encoded,
            "denoiser": denoised - started,
            "denoiser_engine": done.seconds,
            "vae_decoder": ended - denoised,
            "total": ended - began,
        }
        return Result(
            images=images,
            latents=latents,
            timings=timings,
            request=request,
            passes=passes,
            notes=(*watch.notes, *told(request, self.sampling)),
        )

    def decode(self, latents: Latents, *, guard: str = "on") -> list[Image]:
        """Latents to pictures, one at a time so that memory does not grow with the batch.

        Args:
            latents: Without noise; look at half-way ones with `guard="off"`.
            guard: `on` looks at latents and pictures, see docs/guards.md; `off` returns what there is.

        Raises:
            LinkError: The latents are of another space.
            UsageError: They are no latents, hold values that are not finite, or do not fit the memory.
            GuardError: They are outside of the model's range, or a picture is flat or noise.
        """
        watch = Guard.of(guard, self.sampling.ranges)
        array = self._own(latents).array
        watch.latents("latents", array, level=CLEAN)
        return self.vae.decode(watch, array, clean=True)

    def preview(self, latents: NDArray[np.floating]) -> list[Image]:
        """Pictures of what a run foresees, by the decoder that `load` opened for it; no guard looks at them.

        Args:
            latents: `Progress.predicted()`: of this bundle's space, `[B, C, h, w]`.

        Raises:
            UsageError: They do not fit the memory.
        """
        return self._previews.decode(latents)

    def encode(
        self, images: Image | Sequence[Image], *, seed: int | Sequence[int] | None = None, guard: str = "on"
    ) -> Latents:
        """Pictures to latents of this bundle's space.

        Args:
            images: Pictures of equal size, its sides multiples of the space's downscale.
            seed: Sample the posterior with this seed's noise, or with that of one seed a picture; None takes its mode.
            guard: `on` looks at the latents, see docs/guards.md; `off` returns them as they are.

        Raises:
            UsageError: The bundle has no VAE encoder, a size or the memory does not fit, or an argument is not of its
                type.
            GuardError: The latents are not finite, or outside of the model's range.
        """
        watch = Guard.of(guard, self.sampling.ranges)
        listed = as_list(images)
        width, height = listed[0].size
        if other := next((image.size for image in listed if image.size != listed[0].size), None):
            raise UsageError(f"The pictures are {width}x{height} and {other[0]}x{other[1]}; expected one size.")
        downscale = self.space.downscale
        if height % downscale or width % downscale:
            near = "x".join(str(max(round(side / downscale), 1) * downscale) for side in (width, height))
            raise UsageError(
                f"The picture is {width}x{height}; expected multiples of {downscale}.", remedy=f"Resize it to {near}."
            )
        shape = (len(listed), self.space.channels, height // downscale, width // downscale)
        count = len(listed)
        noise = np.zeros(shape, np.float32) if seed is None else noise_source("torch", seeds(seed, count), count)(shape)
        return Latents(array=self.vae.encode(watch, pixels(listed, width, height), None, noise), space=self.space)

    def _own(self, latents: object) -> Latents:
        """The latents, if they are finite numbers of the space that the denoiser writes."""
        return check_latents(latents, self.space, self.name)

    def _shape(self, request: Request) -> tuple[int, int, int, int]:
        """Of the latent: `[B, C, h, w]`."""
        downscale = self.space.downscale
        return request.batch, self.space.channels, request.height // downscale, request.width // downscale


def _pair(level: NDArray[np.float64]) -> tuple[float, float]:
    signal, noise = map(float, level)
    return signal, noise
