"""Reading a record from a file's JSON, which anyone may have written: every value is checked."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Never, TypeVar

from latentlink.checks import shown, whole
from latentlink.errors import UsageError
from latentlink.options import MAX_BATCH, OPTIONS
from latentlink.runtime.picture_files.record import FORMAT, SETTINGS, Batch, Origin, Record
from latentlink.runtime.request.checks import check, number, prompts, seeds

MOST_STAGES = 100
"""Stages of a chain in one record."""

MOST_NAMES = 100
"""Entries of a mapping in a record, such as components."""

_T = TypeVar("_T")


def read_record(text: str) -> Record:
    """Read the JSON of a record.

    Raises:
        UsageError: It is no JSON, is of another format, or holds a value that no picture was made with.
    """
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise UsageError("it is nested too deeply") from None
    except ValueError as error:
        raise UsageError(f"it is no JSON: {shown(str(error))}") from None
    return _record(value, stage=False)


def _no_constant(name: str) -> Never:
    raise ValueError(f"received {name}, expected a finite number")


def _record(value: object, *, stage: bool) -> Record:
    values = _mapping("the record", value)
    if values.get("format") != FORMAT:
        raise UsageError(f"it is of format {shown(values.get('format'))}; this version of latentlink reads {FORMAT}")
    stages = values.get("earlier_stages", [])
    if not isinstance(stages, list) or len(stages) > MOST_STAGES or (stage and stages):
        raise _wrong("earlier_stages", stages, f"at most {MOST_STAGES} stages, none inside of another")
    batch = values.get("batch")
    return Record(
        prompt=_prompt("prompt", values.get("prompt")),
        options=_options(_mapping("options", values.get("options"))),
        origin=_origin(_mapping("model", values.get("model"))),
        batch=None if batch is None else _batch(_mapping("batch", batch)),
        started_from=_started_from(_mapping("started_from", values.get("started_from", {}))),
        version=_text("latentlink", values.get("latentlink")),
        earlier=tuple(_record(one, stage=True) for one in stages),
    )


def _options(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options that this version has, each of its type and in its range."""
    read: dict[str, Any] = {}
    for name in SETTINGS:
        if (value := values.get(name)) is None:
            continue
        if name == "negative_prompt":
            read[name] = _prompt(name, value)
        elif name == "seed":
            # -1 stands for a random one, which no picture was made with
            read[name] = seeds(_one(name, value), 1)[0] if value != -1 else _refuse(name, value, "a seed")
        elif name == "conditions":
            read[name] = {key: _numbers(key, one) for key, one in _mapping(name, value).items()}
        elif name == "guidance_interval":
            listed = [math.inf if one == "inf" else one for one in value] if isinstance(value, list) else value
            read[name] = check(OPTIONS[name], listed)
        elif OPTIONS[name].type is str:
            read[name] = check(OPTIONS[name], _text(name, value))
        else:
            read[name] = check(OPTIONS[name], value)
    return read


def _origin(values: Mapping[str, Any]) -> Origin:
    engines = {}
    for component, one in _mapping("engines", values.get("engines", {})).items():
        engine = _mapping(f"the engine of {shown(component)}", one)
        engines[component] = _text("target", engine.get("target")), _text("precision", engine.get("precision"))
    return Origin(
        name=_text("name", values.get("name")),
        family=_text("family", values.get("family")),
        manifest=_optional(_sha256, "manifest", values.get("manifest")),
        replaced={
            component: _optional(_sha256, "replaced", one)
            for component, one in _mapping("replaced", values.get("replaced", {})).items()
        },
        engines=engines,
    )


def _batch(values: Mapping[str, Any]) -> Batch:
    guidance, texts = values.get("guidance"), values.get("prompts")
    if not isinstance(guidance, list) or not 1 <= len(guidance) <= MAX_BATCH:
        raise _wrong("guidance", guidance, f"1 to {MAX_BATCH} numbers, one for every picture")
    negative = values.get("negative_prompts")
    if not isinstance(texts, list) or not texts or len(guidance) % len(texts):
        raise _wrong("prompts", texts, f"prompts with equally many of {len(guidance)} pictures each")
    if not isinstance(negative, list) or len(negative) != len(texts):
        raise _wrong("negative_prompts", negative, f"{len(texts)}, one for every prompt")
    return Batch(
        number=whole("number", values.get("number"), 1, len(guidance)),
        prompts=tuple(_prompt("prompt", one) for one in texts),
        negative_prompts=tuple(_optional(_prompt, "negative prompt", one) for one in negative),
        guidance=tuple(check(OPTIONS["guidance"], one) for one in guidance),
    )


def _started_from(values: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
    read = {}
    for kind in ("image", "mask", "latents"):
        hashes = values.get(kind, [])
        if not isinstance(hashes, list) or len(hashes) > MAX_BATCH:
            raise _wrong(kind, hashes, f"at most {MAX_BATCH} hashes")
        if hashes:
            read[kind] = tuple(_sha256(kind, one) for one in hashes)
    return read


def _mapping(name: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict) or len(value) > MOST_NAMES:
        raise _wrong(name, value, f"an object of at most {MOST_NAMES} keys")
    return value


def _one(name: str, value: object) -> object:
    return _refuse(name, value, "one value") if isinstance(value, list) else value


def _prompt(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise _wrong(name, value, "text")
    return prompts(name, value)[0]


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or len(value) > 1024:
        raise _wrong(name, value, "text of at most 1024 characters")
    return value


def _sha256(name: str, value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch("[0-9a-f]{64}", value):
        raise _wrong(name, value, "a SHA-256 of 64 hexadecimal digits")
    return value


def _numbers(name: str, value: object) -> list[float]:
    if not isinstance(value, list) or len(value) > MOST_NAMES:
        raise _wrong(name, value, f"at most {MOST_NAMES} numbers")
    return [number(shown(name), one, "a finite number") for one in value]


def _optional(read: Callable[[str, object], _T], name: str, value: object) -> _T | None:
    return None if value is None else read(name, value)


def _wrong(name: str, value: object, expected: str) -> UsageError:
    return UsageError(f"{name} is {shown(value)}; expected {expected}.")


def _refuse(name: str, value: object, expected: str) -> Never:
    raise _wrong(name, value, expected)
