"""A linked bundle: prompts to pictures, latents to pictures, pictures to latents."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from threading import RLock
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from latentlink.checks import callback, shown
from latentlink.engine.bundle import Manifest, Sampling
from latentlink.errors import UsageError
from latentlink.options import GenerateOptions, OnOff, WarmUpOptions, requested, table
from latentlink.runtime.denoising import OnStep
from latentlink.runtime.denoising.conditioning import download_texts, embeddings, read_texts
from latentlink.runtime.generating import prepare
from latentlink.runtime.guards import Guard
from latentlink.runtime.linking import Decision, Engine, Linked, LinkedVae
from latentlink.runtime.log import logged
from latentlink.runtime.picture_files import Origin
from latentlink.runtime.request import as_list, documented, pixels, resolve, seeds
from latentlink.runtime.request.latents import Latents, check_latents
from latentlink.runtime.result import Result
from latentlink.runtime.samplers import CLEAN
from latentlink.runtime.samplers.noise import noise_source
from latentlink.runtime.sessions import Session
from latentlink.runtime.sessions.calls import Call
from latentlink.runtime.steps import Steps, drive
from latentlink.runtime.text import PromptEmbeddings, Prompts
from latentlink.runtime.vae import Autoencoder, GuardedVae
from latentlink.runtime.warming import warm_up
from latentlink.spaces import LatentSpace

if TYPE_CHECKING:
    from PIL.Image import Image


class Pipeline:
    """A linked bundle. Made by `latentlink.load`; a context manager that closes its engines.

    A VAE alone does all but `generate`, `steps`, `encode_prompt` and `observe`.

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
        origin: What its pictures say of the model.
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
        origin: Origin,
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
        self.origin = origin
        self.vae = GuardedVae(halves=Autoencoder(name=name, linked=halves, memory=vae_memory), wider=wider or {})
        self._linked = linked
        self._previews = Autoencoder(name=name, linked=previews or halves, memory=vae_memory)
        self.prompts = prompts
        self._owns_engines = True
        self._process = os.getpid()
        self._closed = False
        self._calls: WeakSet[Call] = WeakSet()
        self._calls_lock = RLock()  # a signal handler may cancel while its thread holds it

    def __repr__(self) -> str:
        running = [one for one in self.decisions if one.target is not None and one.purpose == "run"]
        engines = dict.fromkeys(f"{one.target} {one.precision}" for one in running)
        said = [self.manifest.family, f"space {self.space.name!r}", *engines, *(["closed"] if self._closed else [])]
        return f"<Pipeline {self.name}: {', '.join(said)}>"

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
        self,
        prompt: str | Sequence[str] | PromptEmbeddings,
        *,
        on_step: OnStep | None = None,
        **options: Unpack[GenerateOptions],
    ) -> Result:
        """Make pictures.

        Args:
            prompt: What to draw; several prompts make one batch, as do those that `encode_prompt` has encoded. Where
                the model's text encoder reads prompts in pieces, they may be long, and `(words:1.3)` weights words
                (docs/prompts.md).
            on_step: Called after every row; it may return a `Change`. Returning False cancels, as does any false value
                but None.
            options: See `GenerateOptions`.

        Raises:
            UsageError: An argument is not of its type or out of range, the pipeline was closed, or is a VAE alone.
            TypeError: There is no such argument.
            LinkError: `init_latents` are of another space, or embeddings of another text encoder.
            GuardError: An embedding or latent is not finite, a latent is outside of the model's range, or a picture
                is flat or noise.
            Cancelled: `on_step` returned a false value that is not None, or another thread called `cancel`.
        """
        callback("on_step", on_step)
        with self._call().active():
            return drive(prepare(self, prompt, requested(options)), on_step)

    @documented(GenerateOptions)
    def steps(self, prompt: str | Sequence[str] | PromptEmbeddings, **options: Unpack[GenerateOptions]) -> Steps:
        """Make pictures row by row, in a loop of the caller's: `for progress in pipe.steps(...)`, or `async for`.

        The arguments are checked now; the first row runs when it is asked for.

        Args:
            prompt: As in `generate`.
            options: See `GenerateOptions`.

        Raises:
            UsageError: As in `generate`.
            TypeError: There is no such argument.
            LinkError: As in `generate`.
        """
        call = self._call()
        with call.active():
            return Steps(prepare(self, prompt, requested(options)), call)

    def cancel(self) -> None:
        """End all calls that other threads have begun: each gets `Cancelled`, at its next engine run at the latest.

        A run of an `ort-cpu` engine ends between two of its nodes; others end first. Later calls are not affected.
        """
        with self._calls_lock:
            calls = list(self._calls)
        for call in calls:
            call.cancel("Pipeline.cancel")

    def encode_prompt(
        self,
        prompt: str | Sequence[str],
        *,
        negative_prompt: str | Sequence[str] | None = None,
        guard: OnOff = "on",
    ) -> PromptEmbeddings:
        """Encode prompts once, for several generations: `generate` takes the result in the place of the prompt.

        Args:
            prompt: One prompt or several.
            negative_prompt: What the pictures should not show; one, or one per prompt. None is the bundle's: an empty
                prompt, or none.
            guard: `on` checks that the embeddings are finite; `off` does not.

        Raises:
            UsageError: A prompt is not text or too long, or the bundle is a VAE alone.
            GuardError: An embedding is not finite.
        """
        with self._call().active():
            watch, linked = Guard.of(guard, ()), self.linked
            requests = resolve(self.sampling, prompt, {"negative_prompt": negative_prompt})
            texts = read_texts(linked, self.prompts, requests, [True] * len(requests))
            for tensor, (engine, _) in linked.texts.items():
                for array in embeddings(texts, tensor):
                    watch.embedding(engine.component, array)
            return PromptEmbeddings(
                prompts=tuple(request.prompt for request in requests),
                negative_prompts=tuple(request.negative_prompt for request in requests),
                arrays=tuple(download_texts(texts)),
            )

    @documented(WarmUpOptions)
    def warm_up(self, **options: Unpack[WarmUpOptions]) -> None:
        """Run every engine once, so that the first picture of this size is as fast as later ones.

        Engines take memory, compile for a size or record a graph when they first run.

        Args:
            options: See `WarmUpOptions`.

        Raises:
            UsageError: An engine was not built for the size.
        """
        warm_up(self, requested(options, table(WarmUpOptions), "warm_up"))

    @logged
    def decode(self, latents: Latents, *, guard: OnOff = "on") -> list[Image]:
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
        with self._call().active():
            watch = Guard.of(guard, self.sampling.ranges)
            array = check_latents(latents, self.space, self.name).array
            watch.latents("latents", array, level=CLEAN)
            return self.vae.decode(watch, array, clean=True)

    @logged
    def preview(self, latents: NDArray[np.floating]) -> list[Image]:
        """Decode the predicted latents of a run, with the decoder that `load` opened for previews; no guard runs.

        Args:
            latents: The value of `Progress.predicted()`: `[B, C, h, w]`, of this bundle's space.

        Raises:
            UsageError: They are not such an array, or do not fit the memory.
        """
        with self._call().active():
            channels = self.space.channels
            shape: tuple[int, ...] = latents.shape if isinstance(latents, np.ndarray) else ()
            if len(shape) != 4 or shape[1] != channels or 0 in shape or not np.issubdtype(latents.dtype, np.floating):
                raise UsageError(
                    f"latents is {shown(latents)}; expected an array of floating-point numbers [B, {channels}, h, w].",
                    remedy="In on_step, progress.predicted() makes one; decode reads latentlink.Latents.",
                )
            return self._previews.decode(latents)

    @logged
    def encode(
        self, images: Image | Sequence[Image], *, seed: int | Sequence[int] | None = None, guard: OnOff = "on"
    ) -> Latents:
        """Encode pictures to latents of this bundle's space.

        Args:
            images: Pictures of equal size, whose sides are multiples of the space's downscale.
            seed: Seed of the noise that samples the posterior, from which several pictures' seeds follow, or one seed
                per picture; None takes the mode.
            guard: `on` checks the latents, see docs/guards.md; `off` returns them unchecked.

        Raises:
            UsageError: The bundle has no VAE encoder, a size or the memory does not fit, or an argument is not of its
                type.
            GuardError: The latents are not finite, or outside of the model's range.
        """
        with self._call().active():
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
            noise = np.zeros(shape, np.float32)
            if seed is not None:
                noise = np.stack([noise_source("torch", one)(shape[1:]) for one in seeds(seed, len(listed))])
            return Latents(array=self.vae.encode(watch, pixels(listed, width, height), None, noise), space=self.space)

    def _call(self) -> Call:
        """A call that begins now, which `cancel` ends."""
        self._check_open()
        call = Call()
        with self._calls_lock:
            self._calls.add(call)
        return call
