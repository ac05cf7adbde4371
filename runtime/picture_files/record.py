"""How a picture was made, as a value and as the JSON that its file carries."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from latentlink import __version__
from latentlink.runtime.request import Request

FORMAT = 1
"""Version of the JSON. Readers ignore keys that they do not know; a change of meaning makes another version."""

SETTINGS = (
    "negative_prompt",
    "seed",
    "steps",
    "guidance",
    "guidance_interval",
    "step_cache",
    "sampler",
    "spacing",
    "sigmas",
    "shift",
    "eta",
    "width",
    "height",
    "noise",
    "strength",
    "denoising_start",
    "denoising_end",
    "conditions",
)
"""The options of `generate` that a record holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The model that makes pictures.

    Args:
        name: Name in the bundle's manifest.
        family: Its family.
        manifest: SHA-256 of the manifest, which stands for all files of the bundle; None if these were not checked.
        replaced: By component that another bundle gave, the SHA-256 of that bundle's manifest.
        engines: By component, the target and the precision of its engine.
    """

    name: str
    family: str
    manifest: str | None
    replaced: Mapping[str, str | None] = field(default_factory=dict)
    engines: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The origin as plain values."""
        return {
            "name": self.name,
            "family": self.family,
            "manifest": self.manifest,
            "replaced": dict(self.replaced),
            "engines": {
                component: {"target": target, "precision": precision}
                for component, (target, precision) in self.engines.items()
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The pictures whose noise was drawn together from one seed (`batch_seed`).

    Args:
        number: The picture's own number, from 1.
        prompts: What each prompt of the call was.
        negative_prompts: One for each prompt; None is no prompt at all.
        guidance: Guidance scale of every picture.
    """

    number: int
    prompts: tuple[str, ...]
    negative_prompts: tuple[str | None, ...]
    guidance: tuple[float, ...]

    @property
    def count(self) -> int:
        """Number of pictures; those of one prompt stand together."""
        return len(self.guidance)

    def to_json(self) -> dict[str, Any]:
        """The batch as plain values."""
        return {
            "number": self.number,
            "count": self.count,
            "prompts": list(self.prompts),
            "negative_prompts": list(self.negative_prompts),
            "guidance": list(self.guidance),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """How one picture was made.

    Args:
        prompt: What was to be drawn.
        options: Options of `generate` by name (see `SETTINGS`), every default resolved; an option that does nothing is
            left out.
        origin: The model.
        batch: The pictures that were drawn with it from one seed; None if it has a seed of its own.
        started_from: By kind (`image`, `mask`, `latents`), the SHA-256 of the pixels that the run began with: of a
            picture's RGB bytes, of a mask's grey bytes, of latents as float32.
        version: Version of latentlink.
        earlier: Of a chain: the stages before the one that made the picture, in their order.
    """

    prompt: str
    options: Mapping[str, Any]
    origin: Origin
    batch: Batch | None = None
    started_from: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    version: str = __version__
    earlier: tuple[Record, ...] = ()

    def __repr__(self) -> str:
        """Model, seed and settings; no prompt, as this may end in a log."""
        shown = ", ".join(
            f"{name} {self.options[name]}" for name in ("seed", "sampler", "steps") if name in self.options
        )
        return f"<Record: {self.origin.name}, {shown}>"

    def to_json(self) -> dict[str, Any]:
        """The record as plain values; an infinite noise level is the text "inf"."""
        options = dict(self.options)
        if "guidance_interval" in options:
            options["guidance_interval"] = ["inf" if math.isinf(one) else one for one in options["guidance_interval"]]
        made: dict[str, Any] = {"format": FORMAT, "prompt": self.prompt, "options": options}
        if self.batch is not None:
            made["batch"] = self.batch.to_json()
        made["model"] = self.origin.to_json()
        if self.started_from:
            made["started_from"] = {kind: list(hashes) for kind, hashes in self.started_from.items()}
        if self.earlier:
            made["earlier_stages"] = [one.to_json() for one in self.earlier]
        return {**made, "latentlink": self.version}

    def to_text(self) -> str:
        """The record as JSON text on one line, equal for equal records; `<`, `>` and `&` are written as escapes."""
        text = json.dumps(self.to_json(), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        for one in "<>&":  # they stand inside of strings alone, and XMP is XML
            text = text.replace(one, f"\\u{ord(one):04x}")
        return text


def record_of(
    request: Request, requests: Sequence[Request], *, origin: Origin, started_from: Mapping[str, tuple[str, ...]]
) -> Record:
    """The record of a picture.

    Args:
        request: Its request.
        requests: Those of all pictures of the call.
        origin: The model.
        started_from: Hashes of what the run began with, see `Record`.
    """
    options = {name: value for name in SETTINGS if (value := getattr(request, name)) is not None}
    if not started_from or request.denoising_start is not None:
        del options["strength"]
    conditions: dict[str, list[float]] = {}
    for name, (numbers, negative) in request.conditions.items():
        conditions |= {name: list(numbers), f"negative_{name}": list(negative)}
    options["conditions"] = conditions
    if not conditions:
        del options["conditions"]
    return Record(
        prompt=request.prompt,
        options=options,
        origin=origin,
        batch=_batch(request, requests) if request.batch_seed else None,
        started_from=started_from,
    )


def _batch(request: Request, requests: Sequence[Request]) -> Batch:
    texts = [(one.prompt, one.negative_prompt) for one in requests]
    each = math.gcd(*(len([*same]) for _, same in groupby(texts)))  # pictures of every prompt
    return Batch(
        number=request.number,
        prompts=tuple(prompt for prompt, _ in texts[::each]),
        negative_prompts=tuple(negative for _, negative in texts[::each]),
        guidance=tuple(one.guidance for one in requests),
    )
