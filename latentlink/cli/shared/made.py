"""`latentlink inspect` of a picture: how it was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentlink.cli.shared.pictures import read_quietly
from latentlink.terminal.printing import say, say_json

if TYPE_CHECKING:
    from latentlink.runtime.picture_files import PictureFile, Record

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".avif", ".tif", ".tiff", ".gif", ".bmp", ".ppm", ".mpo")

FIRST = ("seed", "sampler", "sigmas", "spacing", "steps", "guidance", "width", "height")
"""Options in the order in which people look for them; all others follow."""


def show_picture(path: Path, *, as_json: bool) -> None:
    """Print how a picture was made, if its file says so.

    Raises:
        UsageError: It is no picture, or what it says of itself is damaged.
    """
    file = read_quietly(path)
    if as_json:
        say_json(_json(file))
        return
    for line in _lines(file):
        say(line)


def _json(file: PictureFile) -> dict[str, Any]:
    parameters = file.parameters
    return {
        "file": str(file.path),
        "format": file.format,
        "width": file.size[0],
        "height": file.size[1],
        "record": None if file.record is None else file.record.to_json(),
        "text": file.text,
        "parameters": None
        if parameters is None
        else {
            "prompt": parameters.prompt,
            "negative_prompt": parameters.negative_prompt,
            "settings": dict(parameters.settings),
        },
    }


def _lines(file: PictureFile) -> Iterator[str]:
    title = f"{file.path}: {file.format}, {file.size[0]}x{file.size[1]}"
    if file.record is not None:
        yield f"{title}, made by latentlink {file.record.version}"
        stages = (*file.record.earlier, file.record)
        for number, record in enumerate(stages, 1):
            if len(stages) > 1:
                yield f"stage {number} of {len(stages)}:"
            yield from _of_record(record)
    elif (parameters := file.parameters) is not None:
        yield f"{title}, with the text of another program"
        yield f"prompt: {parameters.prompt}"
        if parameters.negative_prompt:
            yield f"negative prompt: {parameters.negative_prompt}"
        yield parameters.settings_line()
    elif file.text is not None:
        yield f"{title}, with a text that has no settings: {file.text}"
    else:
        yield f"{title}; it does not say how it was made"


def _of_record(record: Record) -> Iterator[str]:
    options, origin = dict(record.options), record.origin
    yield f"prompt: {record.prompt}"
    if negative := options.pop("negative_prompt", ""):
        yield f"negative prompt: {negative}"
    conditions = options.pop("conditions", {})
    ordered = {name: options[name] for name in (*FIRST, *options) if name in options}
    yield ", ".join(f"{name} {_shown(value)}" for name, value in ordered.items())
    for name, numbers in conditions.items():
        yield f"condition {name}: {_shown(numbers)}"
    if (batch := record.batch) is not None:
        yield f"picture {batch.number} of {batch.count}, whose noise was drawn from one seed (--batch-seed)"
        if len(batch.prompts) > 1:
            yield f"prompts of the batch: {'; '.join(batch.prompts)}"
    for kind, hashes in record.started_from.items():
        yield f"started from {kind}, SHA-256 {', '.join(hashes)}"
    yield f"model {origin.name} ({origin.family}), manifest {origin.manifest or 'not checked'}"
    for component, manifest in origin.replaced.items():
        yield f"{component} of another bundle, manifest {manifest or 'not checked'}"
    if origin.engines:
        yield f"engines: {_engines(origin.engines)}"


def _engines(engines: Mapping[str, tuple[str, str]]) -> str:
    """The components of each engine's kind: `ort-cpu float32 (denoiser, vae_decoder)`."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for component, kind in engines.items():
        kinds.setdefault(kind, []).append(component)
    return "; ".join(f"{' '.join(kind)} ({', '.join(components)})" for kind, components in kinds.items())


def _shown(value: object) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
