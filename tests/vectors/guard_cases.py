"""What both runtimes' guards are asked, and what they answer: `guards.json`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from random import Random
from typing import Any

import numpy as np

from latentlink.engine.bundle import LatentRange, Sampling
from latentlink.errors import GuardError, LatentLinkError
from latentlink.runtime.guards import Guard, Unusual, generated_margin, picture_fault
from latentlink.runtime.guards.faults import ENCODED, GENERATED, HURRIED, Fault, agreement, range_fault, roughness
from latentlink.runtime.request import Request, resolve
from latentlink.runtime.unusual_settings import unusual_settings
from tests.vectors.recipes import Recipe, latent, picture

Case = dict[str, Any]

MARGINS = {"generated": GENERATED, "hurried": HURRIED, "encoded": ENCODED}


def _picture_recipes() -> Iterator[Recipe]:
    chosen = Random(3)
    for seed in range(100):
        size = chosen.choice([(16, 16), (16, 16), (24, 9), (3, 40), (4, 4), (64, 48), (31, 130)])
        even = chosen.random() < 0.5
        base = [chosen.randrange(0, 230)] * 3 if even else [chosen.randrange(0, 230) for _ in range(3)]
        slope = [chosen.choice([0, 0, 0, 1, 3])] * 3 if even else [chosen.choice([0, 0, 1, 4]) for _ in range(3)]
        amplitude = [chosen.choice([0, 1, 2, 3, 6, 9, 40, 120, 255])] * 3
        if not even:
            amplitude = [chosen.choice([0, 2, 5, 60, 250]) for _ in range(3)]
        recipe = {"seed": seed, "size": size, "base": base, "slope": slope, "amplitude": amplitude}
        recipe["grey"] = chosen.random() < 0.3
        if chosen.random() < 0.1:
            recipe["inside"] = (chosen.randrange(3), chosen.randrange(256))
        yield recipe
    black = {"seed": 0, "size": (16, 16), "base": [0] * 3, "slope": [0] * 3, "amplitude": [0] * 3, "grey": True}
    yield black
    yield {**black, "base": [200, 10, 30]}
    yield {**black, "amplitude": [255] * 3}
    yield {**black, "amplitude": [255] * 3, "grey": False}


def _ranges(chosen: Random, channels: int) -> list[Case]:
    made = []
    for level in sorted(chosen.sample([0.0, 0.1, 0.25, 0.5, 0.8, 1.0], chosen.randrange(0, 4))):
        size = chosen.choice([0.5, 1.0, 1.3])
        centres = [round(chosen.uniform(-0.3, 0.3), 2) for _ in range(channels)]
        made.append(
            {
                "level": level,
                "mean": [[round(one - 0.2 * size, 2), round(one + 0.2 * size, 2)] for one in centres],
                "std": [[round(0.3 * size, 2), round(chosen.uniform(0.5, 1.2) * size, 2)] for _ in centres],
                "rms": [round(0.4 * size, 2), round(1.1 * size, 2)],
            }
        )
    return made


def _latent_recipe(chosen: Random, seed: int) -> Recipe:
    channels = chosen.choice([1, 2, 4])
    height, width = chosen.choice([(2, 2), (3, 5), (8, 8), (9, 17), (40, 33)])
    size = chosen.choice([0.05, 0.3, 1.0, 1.0, 1.0, 3.0, 8.0])
    recipe: Recipe = {
        "seed": seed,
        "shape": (channels, height, width),
        "scale": [size * chosen.choice([0.0, 1.0, 1.0, 1.0, 1.0, 5.0]) for _ in range(channels)],
        "offset": [chosen.choice([0.0, 0.0, 0.1, -0.4, 3.0]) for _ in range(channels)],
        "dtype": chosen.choice(["float32", "float32", "float16"]),
    }
    if chosen.random() < 0.1:
        recipe["special"] = [
            (chosen.randrange(channels * height * width), chosen.choice(["nan", "inf", "-inf"])) for _ in range(3)
        ]
    return recipe


def _level(chosen: Random) -> tuple[float, float]:
    return chosen.choice([(1.0, 0.0), (1.0, 0.0), (0.8, 0.6), (0.3, 0.9), (0.0, 1.0), (1.0, 14.6), (0.0, 0.0)])


def _fault(fault: Fault | None) -> Case | None:
    """What was found, and its numbers; cause and remedy stand in the findings of the guards."""
    return None if fault is None else {"found": fault.found, "numbers": fault.numbers}


def _pictures() -> Iterator[Case]:
    for number, recipe in enumerate(_picture_recipes()):
        pixels, clean = picture(recipe), number % 4 != 3
        found: Case = {"picture": recipe, "clean": clean, "fault": _fault(picture_fault(pixels, clean=clean))}
        if pixels.reshape(-1, 3).std(axis=0).max() > 0:
            found |= {"roughness": roughness(pixels), "agreement": agreement(pixels)}
        yield found


def _latents() -> Iterator[Case]:
    chosen = Random(4)
    for seed in range(110):
        recipe = _latent_recipe(chosen, seed)
        if "special" in recipe:
            continue
        given: Case = {
            "latent": recipe,
            "ranges": _ranges(chosen, recipe["shape"][0]),
            "level": _level(chosen),
            "margin": chosen.choice([*MARGINS]),
            "generated": chosen.random() < 0.5,
        }
        fault = range_fault(
            latent(recipe),
            [LatentRange.from_json(one) for one in given["ranges"]],
            given["level"],
            margin=MARGINS[given["margin"]],
            generated=given["generated"],
        )
        yield {**given, "fault": _fault(fault)}


UNUSUAL: tuple[Case, ...] = (
    {"setting": "guidance", "value": 30.0, "usual": "the model's own is 7.5"},
    {"setting": "steps", "value": 2, "usual": "the model's own number is 50"},
    {"setting": "sampler", "value": "lms", "usual": "the model's own is ddim"},
    {"setting": "width", "value": 2560, "usual": "the model's own is 512"},
    {"setting": "prompt", "value": 9.0, "usual": "weights of words from 0.5 to 1.5 are usual"},
    {"setting": "negative_prompt", "value": 1e22, "usual": "weights of words from 0.5 to 1.5 are usual"},
    {"setting": "conditions.crop", "value": [99999.0, 0.0], "usual": "the model's own is 0, 0"},
    {"setting": "conditions.score", "value": [0.5], "usual": "the model's own is 6"},
    {"setting": "guidance", "value": 12.25, "usual": "the model's own is 5"},
)

STAGES = ("text_encoder", "text_encoder_2", "denoiser", "vae_encoder", "latents", "init_latents", "vae_decoder")


def _guards() -> Iterator[Case]:
    """Calls of the guards with one or several arrays, some faulty, and settings to name.

    `arrays` and `unusual` are places in `pictures` and `unusual` of the file, or recipes of latents.
    """
    chosen = Random(5)
    recipes = [*_picture_recipes()]
    places = range(len(recipes))
    for seed in range(90):
        check = chosen.choice(["latents", "latents", "pictures", "embedding"])
        count = chosen.choice([1, 1, 2, 3])
        if check == "pictures":
            arrays: list[Any] = [chosen.choice(places) for _ in range(count)]
        else:
            first = _latent_recipe(chosen, seed)
            arrays = [first] + [
                {**first, "seed": seed + 1000 * n, "scale": [2 * one for one in first["scale"]]}
                for n in range(1, count)
            ]
        given: Case = {
            "check": check,
            "on": chosen.random() < 0.9,
            "stage": "vae_decoder" if check == "pictures" else chosen.choice(STAGES),
            "arrays": arrays,
            "ranges": [] if check == "pictures" else _ranges(chosen, arrays[0]["shape"][0]),
            "level": _level(chosen),
            "margins": [chosen.choice([*MARGINS]) for _ in range(chosen.choice([1, count]))],
            "generated": chosen.random() < 0.5,
            "clean": chosen.random() < 0.8,
            "unusual": chosen.sample(range(len(UNUSUAL)), chosen.randrange(0, 5)),
        }
        yield {**given, "finding": _finding(given, recipes)}


def _finding(given: Case, recipes: Sequence[Recipe]) -> Case | None:
    guard = Guard(
        on=given["on"],
        ranges=[LatentRange.from_json(one) for one in given["ranges"]],
        unusual=[_unusual(UNUSUAL[place]) for place in given["unusual"]],
    )
    try:
        if given["check"] == "pictures":
            guard.pictures(given["stage"], [picture(recipes[one]) for one in given["arrays"]], clean=given["clean"])
        elif given["check"] == "embedding":
            guard.embedding(given["stage"], np.stack([latent(one) for one in given["arrays"]]))
        else:
            margins = [MARGINS[name] for name in given["margins"]]
            guard.latents(
                given["stage"],
                np.stack([latent(one) for one in given["arrays"]]),
                level=given["level"],
                margin=margins[0] if len(margins) == 1 else margins,
                generated=given["generated"],
            )
    except GuardError as error:
        return {
            "message": error.message,
            "stage": error.stage,
            "numbers": error.numbers,
            "cause": error.cause,
            "remedy": error.remedy,
            "unusual": {name: str(value) for name, value in error.unusual.items()},
        }
    return None


def _unusual(one: Case) -> Unusual:
    value = one["value"]
    return Unusual(**{**one, "value": tuple(value) if isinstance(value, list) else value})


_NOISE: Case = {
    "schedule": {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"},
    "sampler": "ddim",
    "steps": 50,
    "guidance": 7.5,
    "width": 512,
    "height": 512,
    "size_multiple": 8,
    "conditions": {"crop": [[0.0, 0.0], None], "original_size": [[512.0, 512.0], None], "score": [[6.0], [-2.5]]},
}
_FLOW: Case = {
    **_NOISE,
    "schedule": {"prediction_type": "flow_prediction", "shift": 3.0},
    "sampler": "flow_euler",
    "guidance": 3.5,
}
_DYNAMIC = {"prediction_type": "flow_prediction", "use_dynamic_shifting": True, "token_side": 16}

MODELS: dict[str, Case] = {
    "noise": _NOISE,
    "karras": {**_NOISE, "schedule": {**_NOISE["schedule"], "use_karras_sigmas": True}, "sampler": "dpmpp_2m"},
    "turbo": {**_NOISE, "steps": 4, "guidance": 0.0, "sampler": "lcm"},
    "flow": _FLOW,
    "dynamic": {**_FLOW, "schedule": _DYNAMIC, "width": 1024, "height": 1024},
}
"""Records of sampling by name."""

_SETTINGS: tuple[Case, ...] = (
    {},
    {"prompt": "a (cat:9.0)"},
    {"prompt": "a ((cat:2.0):1.5) [dog]", "negative_prompt": "(dog:4.0)"},
    {"guidance": 1000},
    {"guidance": 11},
    {"guidance": 60, "steps": 2},
    {"guidance": 1.0},
    {"steps": 3},
    {"steps": 9, "strength": 0.5},
    {"steps": 20, "strength": 0.2},
    {"steps": 20, "denoising_start": 0.9},
    {"steps": 20, "denoising_end": 0.2},
    {"steps": 40, "denoising_start": 0.5, "denoising_end": 0.6},
    {"sampler": "lms", "steps": 20},
    {"sampler": "PLMS", "steps": 20},
    {"sampler": "lcm", "steps": 25},
    {"sampler": "tcd", "steps": 8, "eta": 0.3},
    {"sampler": "deis", "steps": 29},
    {"sampler": "deis", "steps": 30},
    {"sampler": "dpmpp_2m", "sigmas": "beta", "steps": 15},
    {"sampler": "dpmpp_2m", "sigmas": "karras", "steps": 15},
    {"sampler": "dpmpp_2m", "sigmas": "exponential", "steps": 14},
    {"eta": 1.0},
    {"eta": 0.5},
    {"width": 64, "height": 64},
    {"width": 2560},
    {"width": 1024, "height": 1024},
    {"width": 1032, "height": 1024},
    {"width": 256, "height": 1032},
    {"step_cache": 5},
    {"shift": 2.0},
    {"shift": 7.0},
    {"shift": 1.0},
    {"shift": 1.25, "width": 512, "height": 512},
    {"conditions": {"original_size": (99999, 0)}},
    {"conditions": {"crop": (-5000, 0), "negative_score": 24.5}},
    {"conditions": {"negative_crop": (-5000, 0), "score": -24.0}},
)

_KEPT = (
    *("prompt", "negative_prompt", "steps", "guidance", "step_cache", "sampler", "spacing", "sigmas", "shift", "eta"),
    *("width", "height", "strength", "denoising_start", "denoising_end", "conditions"),
)


def _settings() -> Iterator[Case]:
    """Resolved requests, and what is unusual about them: for each model a plain request, and what others differ in."""
    for name, record in MODELS.items():
        model = Sampling.from_json(record)
        plain = _resolved(model, {})
        yield {"model": name, "plain": {key: getattr(plain, key) for key in _KEPT}}
        for number, options in enumerate(_SETTINGS):
            try:
                request = _resolved(model, options)
                table = request.table()
            except LatentLinkError:
                continue  # another model's setting
            for guided, weighted in ((True, True), *([(False, False)] if number < 6 else [])):
                found = unusual_settings(request, model, table, guided=guided, weighted=weighted)
                yield {
                    "model": name,
                    "request": {key: value for key in _KEPT if (value := getattr(request, key)) != getattr(plain, key)},
                    "guided": guided,
                    "weighted": weighted,
                    "unusual": [{"setting": one.setting, "value": one.value, "text": str(one)} for one in found],
                }


def _resolved(model: Sampling, options: Case) -> Request:
    given = {"prompt": "a cat", "seed": 0, **options}
    return resolve(model, given.pop("prompt"), given, shallow=True)[0]


def guards() -> dict[str, Any]:
    """Everything of `guards.json`."""
    parts: dict[str, Callable[[], Iterator[Case]]] = {
        "pictures": _pictures,
        "latents": _latents,
        "guards": _guards,
        "settings": _settings,
    }
    margins = [{"steps": s, "usual": u, "margin": asdict(generated_margin(s, u))} for s in (1, 9, 10) for u in (4, 50)]
    return {
        "models": MODELS,
        "unusual": UNUSUAL,
        "margins": margins,
        **{name: [*part()] for name, part in parts.items()},
    }
