"""`--like PICTURE`: the options that make a picture again, and what is told of the difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from latentlink.errors import UsageError
from latentlink.options import OPTIONS

if TYPE_CHECKING:
    from latentlink.runtime import Pipeline, Result
    from latentlink.runtime.picture_files import PictureFile

like_option = click.option(
    "--like",
    type=click.Path(path_type=Path),
    metavar="PICTURE",
    help="Make this picture again, from what its file says; PROMPT and options on the command line take precedence.",
)

INPUTS: Mapping[str, str] = {"image": "init_image", "mask": "mask_image", "latents": "init_latents"}
"""By kind of what a picture started from, the option that gives it."""


def options_like(
    file: PictureFile, prompt: Sequence[str], given: Mapping[str, Any]
) -> tuple[list[str], dict[str, Any]]:
    """The prompts and options that make a picture again.

    Args:
        file: The picture's file.
        prompt: The prompts of the command line, which take precedence.
        given: Its options, likewise; None for each that was not given.

    Raises:
        UsageError: The file does not say how it was made, or the picture started from something that was not given.
    """
    from latentlink.runtime.picture_files import options_of, overridden

    own = options_of(file)
    needed = [INPUTS[kind] for kind in (file.record.started_from if file.record is not None else ())]
    if given["init_latents"] is not None and "mask_image" not in needed:  # they take the picture's place
        needed = []
    if missing := [OPTIONS[name].switch for name in needed if given[name] is None]:
        raise UsageError(
            f"{str(file.path)!r} was not made from noise alone, and what it started from is not kept in the file.",
            remedy=f"Give it again: {' and '.join(missing)}.",
        )
    options = {**given, **overridden(own, {**given, "prompt": list(prompt) or None})}
    texts = options.pop("prompt")
    return [texts] if isinstance(texts, str) else texts, options


def fitted(file: PictureFile, pipe: Pipeline, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options without those that only the picture's own model has, where another one makes it again."""
    left = dict(options)
    if file.record is None or file.record.origin.manifest == pipe.origin.manifest:
        return left
    if "denoiser_shallow" not in pipe.origin.engines and file.record.options.get("step_cache") == left["step_cache"]:
        left["step_cache"] = None
    if left["conditions"] is not None and left["conditions"] == file.record.options.get("conditions"):
        known = {*pipe.sampling.conditions, *(f"negative_{name}" for name in pipe.sampling.conditions)}
        left["conditions"] = {name: value for name, value in left["conditions"].items() if name in known} or None
    return left


def told(file: PictureFile, result: Result) -> list[str]:
    """What a user should know of a picture that was made again, a sentence each."""
    from latentlink.runtime.picture_files import differences, left_out_levels

    name = str(file.path)
    if (record := file.record) is not None:
        said = [f"{name}: {one}" for one in differences(record, result.records[0])]
        if record.batch is not None and result.request.batch_seed and len(result.records) == record.batch.count:
            said.append(
                f"{name}: It is picture {record.batch.number} of {record.batch.count} whose noise was drawn from one "
                "seed (--batch-seed), so all of them were made again."
            )
        return said
    said = [f"{name}: It was made by another program, whose noise may be another: the picture may differ."]
    if file.parameters is not None and (levels := left_out_levels(file.parameters)) is not None:
        said.append(f"{name}: Its schedule type {levels!r} has no equal here; the model's own noise levels were taken.")
    return said
