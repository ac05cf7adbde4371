"""A linked bundle: prompts to pictures, latents to pictures, pictures to latents."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from latentlink.engine.manifest import Manifest
from latentlink.errors import GuardError, LinkError, UsageError
from latentlink.runtime.denoise import OnStep, denoise
from latentlink.runtime.latents import Latents
from latentlink.runtime.limits import check_limits
from latentlink.runtime.link import Engine, Linked
from latentlink.runtime.noise import noise_source
from latentlink.runtime.prompts import Prompts
from latentlink.runtime.request import Request, resolve
from latentlink.runtime.samplers import sampler_table
from latentlink.runtime.sessions import Buffer, Session
from latentlink.spaces import LatentSpace

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Result:
    """What `generate` made.

    Args:
        images: The pictures, in the order of the prompts, each prompt's pictures together.
        latents: Their latents.
        timings: Seconds by stage: `text_encoder`, `denoiser`, `vae_decoder`, `total`; `denoiser_engine` is the
            part of `denoiser` that was spent inside the engine.
        request: What was asked, every default resolved; the seed too.
    """

    images: list[Image]
    latents: Latents
    timings: Mapping[str, float]
    request: Request


class Pipeline:
    """A linked bundle. Made by `latentlink.load`; a context manager that closes its engines.

    Args:
        name: Name of the bundle, as the user gave it.
        manifest: Its manifest.
        linked: Its engines, linked.
        prompts: A tokenizer for every text encoder.
        space: The space that the denoiser writes.
        notes: What the loader decided, for people: the target taken, engines passed over.
    """

    def __init__(
        self,
        *,
        name: str,
        manifest: Manifest,
        linked: Linked,
        prompts: Mapping[str, Prompts],
        space: LatentSpace,
        engines: Sequence[Engine],
        notes: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.manifest = manifest
        self.space = space
        self.engines = tuple(engines)
        self.notes = tuple(notes)
        self._linked = linked
        self._prompts = prompts

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the engines."""
        for engine in self.engines:
            engine.session.close()

    def generate(
        self,
        prompt: str | Sequence[str],
        *,
        negative_prompt: str | Sequence[str] = "",
        seed: int | Sequence[int] | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        sampler: str | None = None,
        spacing: str | None = None,
        sigmas: str | None = None,
        eta: float | None = None,
        width: int | None = None,
        height: int | None = None,
        num_images: int = 1,
        noise: str = "torch",
        on_step: OnStep | None = None,
    ) -> Result:
        """Make pictures.

        Args:
            prompt: What to draw; several prompts make one batch.
            negative_prompt: What to stay away from; one for all prompts or one each. Read where guidance is above 1.
            seed: One seed draws the noise of the whole batch from one generator, as diffusers does with one
                `torch.Generator`; one seed a picture gives each its own. None takes a random one (see
                `Result.request`).
            steps: Denoising steps; None takes the bundle's default, as for the following.
            guidance: Scale of classifier-free guidance; 1 or less turns it off and halves the work.
            sampler: Name of a sampler, see `latentlink.runtime.samplers.SAMPLERS`.
            spacing: Timestep spacing: `leading`, `linspace` or `trailing`; None takes the sampler's.
            sigmas: Noise levels: `karras`, `exponential` or `beta`; None takes the training schedule's.
            eta: Share of fresh noise of ddim and tcd, 0 to 1; None takes the sampler's.
            width: Picture width in pixels.
            height: Picture height in pixels.
            num_images: Pictures a prompt.
            noise: `torch` (the noise of torch's CPU generator) or `philox`.
            on_step: Called after every row; returning False cancels.

        Raises:
            UsageError: An argument is out of range.
            GuardError: The latent or the picture is not finite.
            Cancelled: `on_step` said so.
        """
        began = perf_counter()
        request = resolve(
            self.manifest.sampling,
            prompt=prompt,
            negative_prompt=negative_prompt,
            seed=secrets.randbits(32) if seed is None else seed,
            steps=steps,
            guidance=guidance,
            sampler=sampler,
            spacing=spacing,
            sigmas=sigmas,
            eta=eta,
            width=width,
            height=height,
            num_images=num_images,
            noise=noise,
        )
        check_limits(
            self.engines,
            width=request.width,
            height=request.height,
            batch=request.batch,
            downscale=self.space.downscale,
        )
        table = sampler_table(
            request.sampler,
            request.schedule,
            steps=request.steps,
            spacing=request.spacing,
            sigmas=request.sigmas,
            eta=request.eta,
        )
        batch = request.batch
        shape = (
            batch,
            self.space.channels,
            request.height // self.space.downscale,
            request.width // self.space.downscale,
        )
        source = noise_source(request.noise, request.seed, batch)
        session = self._linked.denoiser.session
        conditioning = self._encode_prompts(request, session)
        guided = next((port for port in session.inputs if port.kind == "guidance"), None)
        if guided is not None:
            conditioning[guided.tensor] = session.upload(np.full(batch, request.guidance, np.float32))
        encoded = perf_counter()

        start = source(shape) * np.float32(table.start_scale)
        array, inside = denoise(
            session,
            latent=self._linked.latent,
            table=table,
            start=start,
            conditioning=conditioning,
            noise=lambda: source(shape),
            on_step=on_step,
        )
        if not np.isfinite(array).all():
            raise GuardError(
                f"The denoiser's latent holds {np.count_nonzero(~np.isfinite(array))} values that are not finite.",
                remedy="A half-precision engine may have overflowed: build with a wider precision.",
            )
        latents = Latents(array=array, space=self.space)
        denoised = perf_counter()
        images = self.decode(latents)
        ended = perf_counter()
        timings = {
            "text_encoder": encoded - began,
            "denoiser": denoised - encoded,
            "denoiser_engine": inside,
            "vae_decoder": ended - denoised,
            "total": ended - began,
        }
        return Result(images=images, latents=latents, timings=timings, request=request)

    def decode(self, latents: Latents) -> list[Image]:
        """Latents to pictures, one at a time so that memory does not grow with the batch.

        Raises:
            LinkError: The latents are of another space.
        """
        from PIL import Image as Images

        latent = self._linked.latent
        if latents.space.digest != latent.digest or latents.space.name != latent.name:
            raise LinkError(
                f'{self.name} reads latent space "{latent.name}" ({self.space.numbers()}), but these latents are of '
                f'"{latents.space.name}" ({latents.space.numbers()}).',
                remedy=f"Move them over: latentlink transfer LATENTS --from {latents.space.name} --to {self.name}.",
            )
        session = self._linked.decoder.session
        reads, writes = _single(session, "latent", "image")
        pictures = []
        for row in latents.array.astype(latent.dtype):
            done = session.run({reads: session.upload(row[None])}, {writes: None})
            pictures.append(Images.fromarray(done[writes].numpy()[0]))
        return pictures

    def encode(self, images: Sequence[Image], *, seed: int | None = None) -> Latents:
        """Pictures to latents of this bundle's space.

        Args:
            images: Pictures of equal size, its sides multiples of the bundle's `size_multiple`.
            seed: Sample the posterior with this seed's noise; None takes its mode.

        Raises:
            UsageError: The bundle has no VAE encoder, or a size does not fit.
        """
        if self._linked.encoder is None:
            raise UsageError(f"The bundle {self.name} has no vae_encoder.", remedy="Export and build it again.")
        session = self._linked.encoder.session
        pixels = np.stack([np.asarray(image.convert("RGB")) for image in images])
        _, height, width, _ = pixels.shape
        downscale, latent = self.space.downscale, self._linked.latent
        if height % downscale or width % downscale:
            raise UsageError(f"The picture is {width}x{height}; expected multiples of {downscale}.")
        shape = (len(images), self.space.channels, height // downscale, width // downscale)
        noise: NDArray[np.float32] = np.zeros(shape, np.float32)
        if seed is not None:
            noise = noise_source("torch", seed, len(images))(shape)
        reads, writes = _single(session, "image", "latent")
        done = session.run(
            {
                reads: session.upload(pixels),
                latent.at("noise").tensor: session.upload(noise.astype(latent.dtype)),
            },
            {writes: None},
        )
        return Latents(array=done[writes].numpy().copy(), space=self.space)

    def _encode_prompts(self, request: Request, session: Session) -> dict[str, Buffer]:
        """Embeddings for every text port of the denoiser: `[B, S, D]`, or `[2B, S, D]` where guidance is on."""
        wanted = [p for p in request.prompts for _ in range(request.num_images)]
        if request.guidance > 1:
            wanted = [n for n in request.negative_prompts for _ in range(request.num_images)] + wanted
        distinct = list(dict.fromkeys(wanted))
        rows = [distinct.index(prompt) for prompt in wanted]
        buffers: dict[str, Buffer] = {}
        written: dict[str, Mapping[str, Buffer]] = {}
        for tensor, (engine, port) in self._linked.texts.items():
            if engine.component not in written:
                tokens = next(p.tensor for p in engine.session.inputs if p.kind == "tokens")
                ids = engine.session.upload(self._prompts[engine.component].ids(distinct))
                outputs: dict[str, Buffer | None] = {p.tensor: None for p in engine.session.outputs}
                written[engine.component] = engine.session.run({tokens: ids}, outputs)
            buffers[tensor] = session.upload(written[engine.component][port.tensor].numpy()[rows])
        return buffers


def _single(session: Session, reads: str, writes: str) -> tuple[str, str]:
    """Tensor names of the linking input of kind `reads` and output of kind `writes`."""
    return (
        next(p.tensor for p in session.inputs if p.kind == reads and not p.slot),
        next(p.tensor for p in session.outputs if p.kind == writes and not p.slot),
    )
