"""Requests, right and wrong, that both runtimes resolve to the same values or refuse in the same words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from random import Random
from typing import Any

from latentlink.engine.bundle import Sampling, StepCache
from latentlink.engine.quality import Quality

INFINITE, NAN = float("inf"), float("nan")


def _quality(least: float, cosine: float = 0.999) -> Quality:
    return Quality(pictures=2, cosines=(cosine,), psnr=least + 5, least_psnr=least, ssim=0.99, least_ssim=0.98)


_PLAIN = Sampling(
    schedule={
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "prediction_type": "epsilon",
    },
    sampler="euler",
    steps=20,
    guidance=5.0,
    width=64,
    height=64,
    size_multiple=16,
    conditions={"original_size": ((0.0, 0.0), None), "aesthetic_score": ((6.0,), (2.5,))},
)

SAMPLINGS: Mapping[str, Sampling] = {
    "plain": _PLAIN,
    "flow": Sampling(
        schedule={"prediction_type": "flow_prediction", "shift": 3.0},
        sampler="flow_euler",
        steps=28,
        guidance=3.5,
        width=1024,
        height=768,
        size_multiple=32,
        unconditional="zeros",
    ),
    "cached": replace(_PLAIN, step_cache=StepCache(every=3, steps=10, quality=_quality(36.0))),
    "cached visibly": replace(_PLAIN, step_cache=StepCache(every=3, steps=10, quality=_quality(34.0))),
    "cached badly": replace(_PLAIN, step_cache=StepCache(every=2, steps=30, quality=_quality(15.0))),
    "short": replace(_PLAIN, schedule={**_PLAIN.schedule, "num_train_timesteps": 10}, steps=11),
    "no sampler": replace(_PLAIN, sampler="evil"),
    "other sampler": replace(_PLAIN, sampler="flow_euler"),
    "many steps": replace(_PLAIN, steps=10_000),
    "wide": replace(_PLAIN, width=32_768, height=16),
    "no schedule": replace(_PLAIN, schedule={}),
    "unknown constant": replace(_PLAIN, schedule={**_PLAIN.schedule, "hook": "x"}),
}
"""What bundles say of sampling; of the last ones no run can be made."""

GOOD: Mapping[str, tuple[Any, ...]] = {
    "negative_prompt": ("", "ugly", ["ugly"]),
    "seed": (0, 1, 2**63, 2**64 - 1, -2, -(2**63), [5]),
    "steps": (1, 7, 1000, [12]),
    "guidance": (0, 1, 7.5, 1000, 1000.0, [2]),
    "guidance_interval": ([0.28, 5.42], [0, INFINITE], [0.5, 1]),
    "step_cache": (1, 2, 1000),
    "sampler": ("ddim", "DPM++ 2M Karras", "Euler a", ["heun"]),
    "spacing": ("trailing", "Leading"),
    "sigmas": ("karras", "beta"),
    "shift": (3, 2.5, -1),
    "eta": (0, 0.5, 1),
    "width": (16, 64, 512),
    "height": (16, 128, 16384),
    "strength": (0, 0.5, 1),
    "denoising_start": (0, 0.5),
    "denoising_end": (0.25, 1),
    "conditions": (
        {},
        {"original_size": [512, 256]},
        {"aesthetic_score": 7, "negative_aesthetic_score": [1.5]},
        {"negative_original_size": [1, 2]},
    ),
    "num_images": (1, 3),
    "batch_seed": (True, False),
    "noise": ("torch", "philox"),
    "guard": ("on", "off"),
    "decode": (True, False),
}
"""By option, values that may be right."""

BAD: Mapping[str, tuple[Any, ...]] = {
    "negative_prompt": (5, [None], ["a", "b"], {}, ["x" * 20_001], True, []),
    "seed": (1.0, "1", True, [1.5], [1, 2], [], "", {"a": 1}, [None, None], -1.0),
    "steps": (0, -1, 1001, "9", 9.0, True, [1, 2], [], [0], ["5"], {}, 2**63, [[1]]),
    "guidance": (-0.5, 1000.5, "7", [1, 2], INFINITE, NAN, [-1], True, {"a": 1}, 1e300),
    "guidance_interval": (
        3,
        [1, 2, 3],
        "12",
        [2, 1],
        [-1, 1],
        [0, NAN],
        ["a", 1],
        [1, "b"],
        [1, 1],
        {},
        [-INFINITE, 1],
    ),
    "step_cache": (0, 1.5, "2", True, 1001, [2]),
    "sampler": (
        "eulr",
        "",
        "dpm_adaptive",
        "dpmpp_sde",
        5,
        [5],
        ["a", "b"],
        "Euler Karras Beta",
        "it's",
        "x" * 300,
        True,
    ),
    "spacing": ("trailng", 5, ["leading"], "karras", "simple", True, {}),
    "sigmas": ("Karas", 5, ["beta"], "trailing", False),
    "shift": ("3", 0, True, [1.0], INFINITE, 1e39),
    "eta": ("a", 1.5, -0.25, [], {"x": None}, NAN),
    "width": (0, 17, "64", 64.0, 16_385, 65, [64], True, 8, -16),
    "height": (24, "a", 16_400, 1, 10**18),
    "strength": (-0.1, 1.5, "0.5", NAN, [0.5], True, 1e-5),
    "denoising_start": (1, "0.5", -1, 2, [0.5], 1.0),
    "denoising_end": (0, "1", 1.01, [0.5], False),
    "conditions": (
        [["original_size", [1, 1]]],
        5,
        "a",
        {"crop": [0, 0]},
        {"negative_crop": 1},
        {"original_size": 5},
        {"original_size": None},
        {"original_size": "12"},
        {"original_size": "123"},
        {"original_size": [1, INFINITE]},
        {"original_size": [1, "a"]},
        {"aesthetic_score": {"a": 1}},
        {"aesthetic_score": "7"},
        {"aesthetic_score": [1, 2]},
        {"aesthetic_score": 1e39},
        {"it's": 1},
    ),
    "num_images": (0, 1025, "2", 1.0, True, [2]),
    "batch_seed": ("yes", 1, 0, []),
    "noise": ("cuda", "Torch", "phylox", ["torch"], 5, ""),
    "guard": ("of", True, "maybe"),
    "decode": (1, "no", []),
}
"""By option, values that are wrong with most other options."""

PROMPTS: tuple[Any, ...] = (
    "a",
    "größe ✓",
    ["a", "b"],
    ["a"],
    [],
    5,
    1.5,
    True,
    {"a": 1},
    ["a", None],
    ["a", 1],
    [["a"]],
    "x" * 20_000,
    "x" * 20_001,
    ["a", "é" * 20_001],
    ["a"] * 1024,
    ["a"] * 1025,
)

SEVERAL: tuple[tuple[Any, dict[str, Any]], ...] = (
    (["a", "b"], {"num_images": 2, "seed": 7}),
    (["a", "b"], {"num_images": 2, "seed": [1, 2, 3, 4], "negative_prompt": ["x", "y"]}),
    (["a", "b"], {"num_images": 2, "seed": [1, 2]}),
    (["a", "b"], {"negative_prompt": ["x", "y", "z"], "seed": 1}),
    (["a", "b"], {"negative_prompt": ["x"], "seed": 1}),
    ("a", {"num_images": 3, "seed": 2**64 - 2}),
    ("a", {"num_images": 3, "seed": -2}),
    ("a", {"num_images": 3, "seed": 7, "batch_seed": True}),
    ("a", {"num_images": 2, "batch_seed": True, "seed": [3, 4]}),
    ("a", {"num_images": 2, "batch_seed": True, "steps": [3, 4], "seed": 1}),
    ("a", {"num_images": 2, "batch_seed": True, "steps": [4, 4], "sampler": ["ddim", "euler"], "seed": 1}),
    ("a", {"num_images": 2, "batch_seed": True, "steps": [4, 4], "guidance": [1, 2], "seed": 1}),
    ("a", {"num_images": 2, "steps": [3, 4], "guidance": [1.0, 7], "sampler": ["euler", "DPM++ 2M Karras"], "seed": 5}),
    ("a", {"num_images": 2, "steps": [3, 4, 5]}),
    ("a", {"num_images": 2, "steps": [3, 0]}),
    ("a", {"num_images": 2, "sampler": ["euler", "evil"], "seed": 1}),
    ("a", {"num_images": 600, "seed": 1, "steps": [1] * 599}),
    (["a", "b"], {"num_images": 513}),
    ("a", {"sampler": "Euler a", "spacing": "normal", "seed": 3}),
    ("a", {"steps": None, "seed": 3, "guidance": None, "conditions": None}),
    ("a", {"denoising_start": 0.5, "denoising_end": 0.5, "seed": 1}),
    ("a", {"denoising_start": 0.6, "denoising_end": 0.3, "seed": 1}),
    ("a", {"steps": 3, "strength": 0.2, "seed": 1}),
)
"""Prompts and options of several pictures, or that contradict each other."""

UNKNOWN: tuple[dict[str, Any], ...] = (
    {"step": 5},
    {"num_inference_steps": 5},
    {"cfg": 1},
    {"generator": 1, "steps": 0},
    {"zzz": None},
    {"Width": 5},
    {"negativ_prompt": ""},
    {"on_step": 1},
    {"": 1},
    {"it's": 1},
)
"""Options of which one does not exist."""


def resolve_cases() -> Iterator[dict[str, Any]]:
    """Requests of `resolve`, whose pictures are also asked for their tables."""
    for prompt in PROMPTS:
        yield {"sampling": "plain", "prompt": prompt, "options": {"seed": 3}}
    for prompt, options in SEVERAL:
        yield {"sampling": "plain", "prompt": prompt, "options": options}
    for options in UNKNOWN:
        yield {"sampling": "plain", "prompt": "a", "options": options}
    for sampling, values in product(("plain", "flow"), (GOOD, BAD)):
        for name, listed in values.items():
            for value in listed:
                seed = {} if name == "seed" else {"seed": 3}
                yield {"sampling": sampling, "prompt": "a", "options": {name: value, **seed}}
    yield from _pairs()
    for sampling, shallow, steps, asked in product(
        ("plain", "cached", "cached visibly"), (False, True), (9, 10), (None, 2)
    ):
        options = {"seed": 1, "steps": steps, "step_cache": asked}
        yield {"sampling": sampling, "prompt": "a", "options": options, "shallow": shallow}
    for steps, strength in product((1, 2, 20), (None, 0.3)):
        options = {"seed": 1, "steps": steps, "strength": strength}
        yield {"sampling": "plain", "prompt": "a", "options": options, "default_strength": 0.8}


def _pairs() -> Iterator[dict[str, Any]]:
    """Two or three settings at once, of which the first wrong one is refused, whatever their order."""
    chosen = Random(1)
    for _ in range(260):
        names = chosen.sample([*GOOD], chosen.choice((2, 3, 4)))
        wrong = chosen.choice((0.2, 0.8))
        options = {name: chosen.choice(BAD[name] if chosen.random() < wrong else GOOD[name]) for name in names}
        sampling = chosen.choice(("plain", "plain", "flow"))
        yield {"sampling": sampling, "prompt": "a", "options": {**options, "seed": options.get("seed", 3)}}
