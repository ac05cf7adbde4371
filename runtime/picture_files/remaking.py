"""From how a picture was made to the options that make it again, and what is different this time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

from latentlink.checks import shown
from latentlink.errors import UsageError
from latentlink.options import GenerateOptions, requested
from latentlink.runtime.picture_files.parameters import Parameters
from latentlink.runtime.picture_files.reading import PictureFile, read_picture_file
from latentlink.runtime.picture_files.record import Record
from latentlink.runtime.samplers import SIGMAS

USUAL_LEVELS = ("", "Automatic", "Uniform", "Normal")
"""Schedule types that are a model's usual noise levels."""


def picture_options(
    path: str | Path, *, prompt: str | Sequence[str] | None = None, **changes: Unpack[GenerateOptions]
) -> dict[str, Any]:
    """The options that make a picture again, from its file: `pipe.generate(**latentlink.picture_options("x.png"))`.

    Of a picture that latentlink wrote, all of them: the same bundle draws the same pixels. What it started from
    (`init_image`, `mask_image`, `init_latents`) is not in the file, and is given again. A picture of a batch seed comes
    with its whole batch. Of a picture by another program: prompt, negative prompt, seed, steps, sampler, noise levels,
    guidance and size, as far as they are there; that program's noise may be another one.

    Args:
        path: A PNG, JPEG, WebP, AVIF or TIFF file.
        prompt: Another prompt.
        changes: Other options, which take the place of the picture's: `picture_options("x.png", seed=8)`. A new sampler
            drops the noise levels and the spacing of the old one.

    Raises:
        UsageError: There is no such file, it is no picture, or what it says of how it was made is missing or damaged.
        TypeError: There is no such option.
    """
    new = requested(changes, function="picture_options")
    return overridden(options_of(read_picture_file(path)), {"prompt": prompt, **new})


def options_of(file: PictureFile) -> dict[str, Any]:
    """The options that make a picture again, see `picture_options`.

    Raises:
        UsageError: The file does not say how it was made, or was made by a chain of models.
    """
    if (record := file.record) is not None:
        if record.earlier:
            raise UsageError(
                f"{str(file.path)!r} was made by a chain of {len(record.earlier) + 1} stages; expected a picture of "
                "generate.",
                remedy=f"latentlink inspect {file.path} shows the stages, for latentlink chain.",
            )
        return _of_record(record)
    if (parameters := file.parameters) is not None:
        return _of_parameters(parameters, str(file.path))
    raise UsageError(
        f"{str(file.path)!r} does not say how it was made; expected a picture that latentlink or a web UI wrote.",
        remedy="Other programs drop what a picture says of itself when they save it; take the original file.",
    )


def left_out_levels(parameters: Parameters) -> str | None:
    """The schedule type of another program's text that has no equal here, so that the model's levels stand for it."""
    kind = parameters.settings.get("Schedule type", "")
    return None if kind in USUAL_LEVELS or kind.lower() in SIGMAS else kind


def differences(recorded: Record, made: Record) -> list[str]:
    """What is different now from when a picture was made, a sentence each: model, engines, what it started from."""
    found = []
    before, now = recorded.origin, made.origin
    if before.manifest != now.manifest:
        found.append(
            f"It was made by {_model(before.name, before.manifest)}, and this is {_model(now.name, now.manifest)}: the "
            "picture may differ."
        )
    for component in sorted({*before.replaced, *now.replaced}):
        if before.replaced.get(component) != now.replaced.get(component):
            then = "of another bundle" if component in before.replaced else "of the model itself"
            found.append(f"It was made with the {component} {then}: the picture may differ.")
    if before.manifest == now.manifest and before.engines != now.engines:
        changed = [
            f"{component} on {' in '.join(engine)}"
            for component, engine in before.engines.items()
            if now.engines.get(component) != engine
        ]
        if changed:
            found.append(f"It was made with {', '.join(changed)}: the picture may differ a little.")
    if recorded.version != made.version:
        found.append(f"It was made by latentlink {recorded.version}, and this is {made.version}.")
    for kind, hashes in recorded.started_from.items():
        if made.started_from.get(kind) != hashes:
            found.append(f"The {kind} to start from is not the one that it was made from: the picture will differ.")
    return found


def _model(name: str, manifest: str | None) -> str:
    return f"{name} (manifest {manifest[:8]})" if manifest else name


def _of_record(record: Record) -> dict[str, Any]:
    options: dict[str, Any] = {"prompt": record.prompt, **record.options}
    if (batch := record.batch) is None:
        return options
    options |= {"prompt": list(batch.prompts), "num_images": batch.count // len(batch.prompts), "batch_seed": True}
    options["guidance"] = batch.guidance[0] if len({*batch.guidance}) == 1 else list(batch.guidance)
    options.pop("negative_prompt", None)
    if None not in batch.negative_prompts:
        options["negative_prompt"] = list(batch.negative_prompts)
    return options


def _of_parameters(parameters: Parameters, path: str) -> dict[str, Any]:
    settings = parameters.settings
    options: dict[str, Any] = {"prompt": parameters.prompt}
    if parameters.negative_prompt:
        options["negative_prompt"] = parameters.negative_prompt
    for name, option, kind in (("Seed", "seed", int), ("Steps", "steps", int), ("CFG scale", "guidance", float)):
        if name in settings:
            options[option] = _number(settings[name], kind, f"{name} of {path!r}")
    if "Sampler" in settings:
        options["sampler"] = settings["Sampler"]
    if (levels := settings.get("Schedule type", "").lower()) in SIGMAS:
        options["sigmas"] = levels
    if size := re.fullmatch(r"(\d{1,9})x(\d{1,9})", settings.get("Size", "")):
        options |= {"width": int(size[1]), "height": int(size[2])}
    return options


def _number(text: str, kind: type[int] | type[float], what: str) -> float:
    try:
        return kind(text)
    except ValueError:
        raise UsageError(f"{what} is {shown(text)}; expected a number.") from None


def overridden(options: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that make a picture again, with those that a user gave in their place.

    What belongs to an option that was replaced goes with it: spacing, noise levels and noise share belong to a sampler,
    an interval to guidance above 1, and strength and `denoising_start` both say where a run begins.

    Args:
        options: Those of the picture.
        given: Those of the user; None for each that was not given.
    """
    new = {name: value for name, value in given.items() if value is not None}
    dropped: Sequence[str] = ("spacing", "sigmas", "eta") if "sampler" in new else ()
    if isinstance(new.get("guidance"), int | float) and new["guidance"] <= 1:
        dropped = (*dropped, "guidance_interval")
    if "strength" in new or "denoising_start" in new:
        dropped = (*dropped, "strength", "denoising_start")
    return {**{name: value for name, value in options.items() if name not in dropped}, **new}
