"""A generation: from a prompt and options to pictures, as rows that a caller can follow, change and end."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentlink.errors import UsageError
from latentlink.runtime.denoising import Change, Progress, denoise, guided_rows
from latentlink.runtime.denoising.beginning import Picture, runs_of
from latentlink.runtime.denoising.conditioning import conditions_of, embeddings, read_texts, upload_texts
from latentlink.runtime.denoising.run import Run, Text
from latentlink.runtime.denoising.start import check_inputs
from latentlink.runtime.denoising.step_cache import check_step_cache, unmeasured
from latentlink.runtime.denoising.stepper import Stepper
from latentlink.runtime.guards import Guard, Unusual, generated_margin
from latentlink.runtime.log import log_result
from latentlink.runtime.picture_files import Record, hashes_of, record_of
from latentlink.runtime.request import Inputs, Request, as_list, check_limits, check_memory, resolve, size_of
from latentlink.runtime.request.latents import Latents, check_latents
from latentlink.runtime.result import Result
from latentlink.runtime.samplers import CLEAN
from latentlink.runtime.samplers.solvers.table import Level
from latentlink.runtime.sessions.clock import CLOCK
from latentlink.runtime.sessions.host_session import HostSession
from latentlink.runtime.text import PromptEmbeddings
from latentlink.runtime.unusual_settings import unusual_settings

if TYPE_CHECKING:
    from latentlink.runtime.pipeline import Pipeline

STRENGTH = 0.8
"""Default strength of a run that starts from a picture or latents without a mask, as in diffusers."""

Rows: TypeAlias = Generator[Progress, Change | None, Result]
"""A generation that runs: yields the progress after every row, receives what to change, returns the result."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Generation:
    """A generation whose arguments were checked; `prepare` makes it.

    Args:
        pipe: The pipeline.
        pictures: What is to be made.
        prompts: Number of prompts.
        encoded: The prompts' embeddings; None if they are to be encoded.
        inputs: What it starts from.
        watch: The guards.
        passes: See `Result`.
        decode: Whether the latents are decoded.
        began: When it began, by `CLOCK`, and what its thread had waited until then.
    """

    pipe: Pipeline
    pictures: Sequence[Picture]
    prompts: int
    encoded: PromptEmbeddings | None
    inputs: Inputs
    watch: Guard
    passes: Mapping[str, int]
    decode: bool
    began: tuple[float, float]

    @property
    def level(self) -> Level:
        """The noise level at which it ends, the same for all pictures."""
        return _pair(self.pictures[0].table.levels[-1])

    def run(self, *, watched: bool) -> Rows:
        """Run it.

        Args:
            watched: See `denoise`.
        """
        pipe, watch, latent = self.pipe, self.watch, self.pipe.linked.latent
        denoiser, requests = pipe.linked.denoiser, [picture.request for picture in self.pictures]
        checked = CLOCK.now()
        texts = self._texts()
        texts_read = CLOCK.now()
        runs, encoding = self._runs(texts)
        shallow = pipe.linked.shallow if any(run.shallow.any() for run in runs) else None
        stepper = Stepper(denoiser=denoiser, shallow=shallow, latent=latent)
        done = yield from denoise(denoiser, stepper, runs, watched=watched)
        margins = [generated_margin(picture.table.steps, pipe.sampling.steps) for picture in self.pictures]
        watch.latents("denoiser", done.array, level=self.level, margin=margins, generated=True)
        latents = Latents(array=done.array, space=pipe.space, level=self.level)
        denoised, images = CLOCK.now(), []
        if self.decode:
            images = pipe.vae.decode(watch, done.array, clean=self.level == CLEAN, written=done.buffer)
        ended, (began, waited) = CLOCK.now(), self.began
        result = Result(
            images=images,
            latents=latents,
            timings={
                "text_encoder": texts_read - checked,
                "vae_encoder": encoding,
                "denoiser": denoised - texts_read - encoding,
                "denoiser_engine": done.seconds,
                "vae_decoder": ended - denoised,
                "total": ended - began,
                "waiting": CLOCK.waited - waited,
            },
            requests=tuple(requests),
            records=self._records(),
            passes=self.passes,
            mended=tuple(watch.mended),
            unmeasured_cache=next(filter(None, (unmeasured(request, pipe.sampling) for request in requests)), None),
        )
        log_result(pipe.name, result)
        return result

    def _records(self) -> tuple[Record, ...]:
        """How each picture is made."""
        requests = [picture.request for picture in self.pictures]
        started_from = hashes_of(self.inputs, len(requests), together=requests[0].batch_seed)
        return tuple(
            record_of(request, requests, origin=self.pipe.origin, started_from=hashes)
            for request, hashes in zip(requests, started_from, strict=True)
        )

    def _texts(self) -> Sequence[Mapping[str, Text]]:
        """What every picture's run reads of the text encoders."""
        linked = self.pipe.linked
        if self.encoded is None:
            requests = [picture.request for picture in self.pictures]
            paired = [picture.paired for picture in self.pictures]
            texts = read_texts(linked, self.pipe.prompts, requests, paired)
        else:
            each = len(self.pictures) // self.prompts
            texts = [one for one in upload_texts(linked, self.encoded) for _ in range(each)]
        for tensor, (engine, _) in linked.texts.items():
            if self.watch.on:  # otherwise the embeddings are not copied to the host
                for array in embeddings(texts, tensor):
                    self.watch.embedding(engine.component, array)
        return texts

    def _runs(self, texts: Sequence[Mapping[str, Text]]) -> tuple[list[Run], float]:
        """The runs, none of which has begun, and the seconds that the VAE's encoder took."""
        encoding = 0.0

        def encode(*given: Any) -> NDArray[np.floating]:
            nonlocal encoding
            began = CLOCK.now()
            made = self.pipe.vae.encode(self.watch, *given)
            encoding += CLOCK.now() - began
            return made

        linked = self.pipe.linked
        runs = runs_of(
            self.pictures, texts, self.inputs, session=linked.denoiser.session, latent=linked.latent, encode=encode
        )
        if self.inputs.latents is not None:
            first = self.pictures[0]
            level = CLEAN if first.request.denoising_start is None else _pair(first.table.levels[0])
            self.watch.latents("init_latents", self.inputs.latents, level=level)
        return runs, encoding


def prepare(pipe: Pipeline, prompt: str | Sequence[str] | PromptEmbeddings, values: Mapping[str, Any]) -> Generation:
    """Check the arguments of a generation; see `Pipeline.generate`.

    Args:
        pipe: The pipeline.
        prompt: What to draw.
        values: The options that are not None.

    Raises:
        UsageError: An argument is not of its type or out of range, or some contradict each other.
        LinkError: Latents or embeddings are of another model.
    """
    began = CLOCK.now(), CLOCK.waited
    linked, sampling, downscale = pipe.linked, pipe.sampling, pipe.space.downscale
    ports = linked.denoiser.session.inputs
    encoded = prompt if isinstance(prompt, PromptEmbeddings) else None
    if isinstance(prompt, PromptEmbeddings):
        prompt, values = _as_encoded(pipe, prompt, values)
    inputs = _inputs(pipe, values)
    watch = Guard.of(values.get("guard", "on"), sampling.ranges)
    width, height = size_of(
        inputs, values.get("width"), values.get("height"), multiple=sampling.size_multiple, downscale=downscale
    )
    requests = resolve(
        sampling,
        prompt,
        {**values, "width": width, "height": height},
        default_strength=STRENGTH if (inputs.images or inputs.latents is not None) and not inputs.masks else None,
        shallow=linked.shallow is not None,
    )
    first = requests[0]
    check_limits(pipe.whole_engines, width=first.width, height=first.height, batch=first.count, downscale=downscale)
    if isinstance(linked.denoiser.session, HostSession):
        check_memory(first.width, first.height, first.count)
    decode = values.get("decode", True)
    passes = pipe.vae.halves.passes(width=first.width, height=first.height, encode=bool(inputs.images), decode=decode)
    prompts = first.count // values.get("num_images", 1)
    itself = linked.latent.at("masked").tensor in {port.tensor for port in ports}
    check_inputs(inputs, first, prompts=prompts, itself=itself)
    pictures = [_picture(pipe, request, paired=encoded is not None) for request in requests]
    _check_ends(pictures)
    return Generation(
        pipe=pipe,
        pictures=pictures,
        prompts=prompts,
        encoded=encoded,
        inputs=inputs,
        watch=replace(watch, unusual=_unusual(pipe, pictures)),
        passes=passes,
        decode=decode,
        began=began,
    )


def _picture(pipe: Pipeline, request: Request, *, paired: bool) -> Picture:
    denoiser, table = pipe.linked.denoiser, request.table()
    check_step_cache(pipe.linked, request, sampling=pipe.sampling, name=pipe.name)
    guided = guided_rows(denoiser, request, table)
    return Picture(
        request=request,
        table=table,
        guided=guided,
        paired=paired or bool(guided.any()),
        conditions=conditions_of(denoiser, request),
    )


def _check_ends(pictures: Sequence[Picture]) -> None:
    """Refuse pictures that stop half way at different noise levels, which one `Latents` does not hold."""
    levels = list(dict.fromkeys(tuple(picture.table.levels[-1].tolist()) for picture in pictures))
    if len(levels) > 1:
        noises = ", ".join(f"{noise:.4g}" for _, noise in levels)
        raise UsageError(
            f"With denoising_end the pictures of this call stop at different noise levels ({noises}); expected one.",
            remedy="Give all pictures the same steps and sampler, or leave denoising_end out.",
        )


def _unusual(pipe: Pipeline, pictures: Sequence[Picture]) -> tuple[Unusual, ...]:
    """The unusual settings of any picture, each once."""
    guided = any(port.kind == "guidance" for port in pipe.linked.denoiser.session.inputs)
    weighted = any(prompts.chunks for prompts in pipe.prompts.values())
    found: dict[str, Unusual] = {}
    for picture in pictures:
        for one in unusual_settings(picture.request, pipe.sampling, picture.table, guided=guided, weighted=weighted):
            found.setdefault(one.setting, one)
    return tuple(found.values())


def _as_encoded(
    pipe: Pipeline, encoded: PromptEmbeddings, values: Mapping[str, Any]
) -> tuple[Sequence[str], Mapping[str, Any]]:
    """The prompts that were encoded, and the options with their negative prompts.

    Raises:
        UsageError: A negative prompt was given too, or they are not what `encode_prompt` makes.
        LinkError: They are of another model.
    """
    if "negative_prompt" in values:
        raise UsageError(
            "Received a negative_prompt beside prompts that were encoded with theirs.",
            remedy="Give it to encode_prompt.",
        )
    denoiser = pipe.linked.denoiser
    ports = {port.tensor: port for port in denoiser.declared[0] if port.tensor in pipe.linked.texts}
    encoded.check(ports, denoiser.limits, reader=denoiser.title)
    if None in encoded.negative_prompts:  # as the model's default has it
        return encoded.prompts, values
    return encoded.prompts, {**values, "negative_prompt": encoded.negative_prompts}


def _inputs(pipe: Pipeline, values: Mapping[str, Any]) -> Inputs:
    """The pictures, masks or latents that a generation starts from.

    Raises:
        UsageError: An input is not of its type, or both strength and denoising_start are given.
        LinkError: The latents are of another space.
    """
    strength, start = values.get("strength"), values.get("denoising_start")
    if strength is not None and start is not None:
        raise UsageError(f"strength {strength} and denoising_start {start} both say where to begin; expected one.")
    latents = check_latents(values["init_latents"], pipe.space, pipe.name) if "init_latents" in values else None
    return Inputs(
        images=as_list(values["init_image"]) if "init_image" in values else [],
        masks=as_list(values["mask_image"]) if "mask_image" in values else [],
        latents=None if latents is None else latents.array.astype(np.float32),
        level=None if latents is None else latents.level,
    )


def _pair(level: NDArray[np.float64]) -> Level:
    signal, noise = map(float, level)
    return signal, noise
