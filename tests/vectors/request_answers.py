"""What the Python runtime says of requests: `requests.json`, which `write.py` writes.

JSON has no infinity and no NaN: such a number stands as `{"float": "inf"}`. A text of one character very often stands
as `{"repeat": ["x", 20000]}`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, cast

import numpy as np
from PIL import Image

from latentlink.errors import LatentLinkError
from latentlink.options import OPTIONS, Option
from latentlink.ports import Port, condition_port, guidance_port, latent_port, text_port
from latentlink.runtime.denoising import guided_rows
from latentlink.runtime.denoising.start import check_inputs
from latentlink.runtime.denoising.step_cache import check_step_cache, unmeasured
from latentlink.runtime.linking import Engine, Linked
from latentlink.runtime.request import Inputs, Request, check_limits, check_sampling, nearest, resolve, size_of
from latentlink.runtime.request.checks import following
from latentlink.runtime.request.docstrings import describe
from latentlink.spaces import LatentSpace, TextEmbedding
from tests.vectors.request_cases import SAMPLINGS, resolve_cases

Case = dict[str, Any]
Limits = dict[str, tuple[int, int, int]]

SPACE = LatentSpace(name="one", channels=4, downscale=8, scaling=0.55, weights="1" * 64)
TEXT = TextEmbedding(name="words", width=8, weights="3" * 64)

KINDS = {int: "whole", float: "number", str: "text", bool: "truth", tuple: "interval", Mapping: "named_numbers"}
NAMED_KINDS = {"Image": "picture", "Latents": "latents"}


def requests() -> dict[str, Any]:
    """Everything that `requests.json` holds."""
    return cast(
        dict[str, Any],
        plain(
            {
                "options": [_option(one) for one in OPTIONS.values()],
                "samplings": [{"name": name, "record": one.to_json()} for name, one in SAMPLINGS.items()],
                "resolve": [_answered(_resolved, given) for given in resolve_cases()],
                "check_sampling": [_answered(_checked, {"sampling": name}) for name in SAMPLINGS],
                "following": [_answered(_following, given) for given in _following_cases()],
                "size_of": [_answered(_size, given) for given in _size_cases()],
                "check_limits": [_answered(_limits, given) for given in _limit_cases()],
                "nearest": [_answered(_nearest, given) for given in _nearest_cases()],
                "check_inputs": [_answered(_inputs, given) for given in _input_cases()],
                "guided_rows": [_answered(_guided, given) for given in _guided_cases()],
                "step_cache": [_answered(_cached, given) for given in _cache_cases()],
            }
        ),
    )


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if isinstance(value, str) and len(value) > 1000:
        return {"repeat": [value[0], len(value)]}
    return value


def engine(limits: Limits, *, how: str | None = "cfg", texts: Sequence[Port] = (text_port(TEXT),)) -> Engine:
    """A denoiser that is nothing but its ports and limits; `how` it is guided."""

    class Ports:
        inputs = (latent_port(SPACE).at("x"), *texts, *(() if how is None else (guidance_port(how),)))
        outputs = (latent_port(SPACE),)

    session: Any = Ports()
    declared = (Ports.inputs, Ports.outputs)
    return Engine(
        component="denoiser", bundle="demo", session=session, declared=declared, limits=dict(sorted(limits.items()))
    )


def _answered(ask: Callable[..., Any], given: Case) -> Case:
    try:
        return {"given": given, "answer": ask(**given)}
    except LatentLinkError as error:
        return {"given": given, "status": int(error.status), "message": error.message, "remedy": error.remedy}
    except TypeError as error:  # there is no such option
        return {"given": given, "status": 2, "message": str(error), "remedy": ""}


def _option(option: Option) -> Case:
    kind = next((name for type_, name in KINDS.items() if option.type is type_), None)
    return {
        "name": option.name,
        "kind": kind or NAMED_KINDS[option.type.__name__],
        "help": option.help,
        "more": option.more,
        "range": [float(option.least), float(option.most)],
        "expected": option.expected,
        "default": option.default,
        "default_text": option.default_text,
        "switch": option.switch,
        "metavar": option.metavar,
        "example": option.example,
        "choices": option.choices,
        "several": option.several,
        "described": describe(option),
    }


def _resolved(sampling: str, prompt: Any, options: Case, **facts: Any) -> list[Case]:
    """The first requests, each with the number of rows of its table; long prompts are cut."""
    made = resolve(SAMPLINGS[sampling], prompt, options, **facts)
    return [_request(one) for one in made[:4]]


def _request(one: Request) -> Case:
    listed = {name: getattr(one, name) for name in Request.__slots__ if name != "schedule"}
    return {**listed, "prompt": one.prompt[:20], "rows": len(one.table().rows)}


def _checked(sampling: str) -> None:
    check_sampling(SAMPLINGS[sampling])


def _following_cases() -> Iterator[Case]:
    for seed, number in product((0, 7, 2**64 - 1, 2**64 - 3, -1, -2, -3, -(2**63), 2**63 - 1), (0, 1, 2, 3, 1023)):
        yield {"seed": seed, "number": number}


def _following(seed: int, number: int) -> int:
    return following(seed, number)


def _size_cases() -> Iterator[Case]:
    pictures, latents = ([130, 100], [8000, 6000], [7, 300]), ([8, 8], [12, 8], [8, 9], [512, 512], [4096, 8])
    sides = (None, 64, 96, 4096, "64", -5, 2**63)
    for kind, sizes in (("picture", pictures), ("latents", latents), ("nothing", ([1, 1],))):
        for size, width, height in product(sizes, sides, (None, 64, 4096, 1.5)):
            yield {"from": kind, "size": size, "width": width, "height": height}


def _size(width: Any, height: Any, size: Sequence[int], **kind: str) -> Any:
    inputs = Inputs()
    if kind["from"] == "picture":
        inputs = Inputs(images=[Image.new("1", (size[0], size[1]))])
    if kind["from"] == "latents":
        inputs = Inputs(latents=np.zeros((1, 1, size[1], size[0]), np.float32))
    return size_of(inputs, width, height, multiple=16, downscale=8)


LIMITS: tuple[Limits, ...] = (
    {},
    {"w": (8, 8, 8), "h": (8, 8, 16)},
    {"B": (1, 1, 4), "w": (4, 8, 64)},
    {"W": (64, 512, 1024), "H": (512, 512, 512), "N": (2, 2, 2)},
    {"B": (2, 2, 2)},
)


def _limit_cases() -> Iterator[Case]:
    for limits, width, height, batch in product(LIMITS, (64, 512), (64, 128, 512), (None, 1, 2, 5)):
        yield {"limits": limits, "width": width, "height": height, "batch": batch}


def _limits(limits: Limits, width: int, height: int, batch: int | None) -> None:
    check_limits([engine(limits)], width=width, height=height, batch=batch, downscale=8)


def _nearest_cases() -> Iterator[Case]:
    for limits, dims, side, multiple in product(
        LIMITS, (("W", "w"), ("H", "h")), (1, 64, 72, 500, 20_000), (8, 16, 1000)
    ):
        yield {"limits": limits, "dims": dims, "side": side, "multiple": multiple}


def _nearest(limits: Limits, dims: tuple[str, str], side: int, multiple: int) -> int | None:
    return nearest([engine({}), engine(limits)], dims, side, multiple=multiple, downscale=8)


def _input_cases() -> Iterator[Case]:
    for images, masks, latents in product((0, 1, 2, 3, 4), (0, 1, 2), (0, 1, 4, 5)):
        for options, itself in product(({}, {"strength": 0.5}, {"denoising_start": 0.25}), (False, True)):
            yield {"images": images, "masks": masks, "latents": latents, "options": options, "itself": itself}


def _inputs(images: int, masks: int, latents: int, options: Case, itself: bool) -> None:
    request = resolve(SAMPLINGS["plain"], ["a", "b"], {"seed": 1, "num_images": 2, **options})[0]
    picture, array = Image.new("L", (8, 8)), np.zeros((latents, 4, 8, 8), np.float32)
    inputs = Inputs(images=[picture] * images, masks=[picture] * masks, latents=array if latents else None)
    check_inputs(inputs, request, prompts=2, itself=itself)


PORTS: Mapping[str, tuple[Port, ...]] = {
    "free": (text_port(TEXT), condition_port("size", 2)),
    "fixed": (replace(text_port(TEXT), shape=(2, 7, 8)),),
    "one": (replace(text_port(TEXT), shape=(1, 7, 8)),),
}
"""Text and condition ports of denoisers."""


def _guided_cases() -> Iterator[Case]:
    intervals = (None, (0.4, 5.0), (0.0, math.inf), (20.0, 30.0), (0.0, 0.9))
    for interval, guidance, how in product(intervals, (1.0, 5.0), ("cfg", "embedded", None)):
        yield {"interval": interval, "guidance": guidance, "how": how, "ports": "free", "limits": {}, "steps": 6}
    limits: tuple[Limits, ...] = ({"N": (2, 2, 2)}, {"N": (1, 2, 8)}, {"N": (2, 4, 8)}, {"N": (1, 1, 1)})
    for own, ports, steps in product(limits, PORTS, (6, 20)):
        yield {"interval": (0.4, 5.0), "guidance": 5.0, "how": "cfg", "ports": ports, "limits": own, "steps": steps}
    yield {"interval": (20.0, 30.0), "guidance": 5.0, "how": "cfg", "ports": "free", "limits": {}, "steps": 20}


def _guided(interval: Any, guidance: float, how: str | None, ports: str, limits: Limits, steps: int) -> list[bool]:
    options = {"seed": 1, "steps": steps, "guidance": guidance, "guidance_interval": interval}
    request = resolve(SAMPLINGS["plain"], "a", options)[0]
    denoiser = engine(limits, how=how, texts=PORTS[ports])
    return cast(list[bool], guided_rows(denoiser, request, request.table()).tolist())


def _cache_cases() -> Iterator[Case]:
    names = ("plain", "cached", "cached visibly", "cached badly")
    for sampling, every, steps, shallow in product(names, (1, 2, 3), (5, 10, 30), (False, True)):
        yield {"sampling": sampling, "every": every, "steps": steps, "shallow": shallow}


def _cached(sampling: str, every: int, steps: int, shallow: bool) -> Any:
    request = resolve(SAMPLINGS[sampling], "a", {"seed": 1, "steps": steps, "step_cache": every})[0]
    one = engine({})
    linked = Linked(
        decoder=one, encoder=None, latent=latent_port(SPACE), denoiser=one, texts={}, shallow=one if shallow else None
    )
    check_step_cache(linked, request, sampling=SAMPLINGS[sampling], name="demo")
    found = unmeasured(request, SAMPLINGS[sampling])
    return None if found is None else [found.every, found.measured_steps]
