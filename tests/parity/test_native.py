"""The native runtime beside this one: the same engines and threads in one process, equal seeds.

Noise, coefficients, tokens and embeddings have the same bits, and the engines are the same work of the same library.
The tolerance leaves a bit to the sums that threads share out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pytest

import latentlink
from latentlink.bench.parity.case import Case, start_mask, start_picture
from latentlink.bench.parity.native import NativePipeline
from latentlink.errors import GuardError
from latentlink.options import NoiseSampler
from latentlink.runtime.pipeline import Pipeline
from latentlink.runtime.samplers import SAMPLERS
from tests.native.built_files import library
from tests.parity.conftest import NativeDifference
from tests.parity.suite import SUBJECTS, VARIANTS, Subject

if TYPE_CHECKING:
    from tests.parity.conftest import Made

MAX_RELATIVE = 1e-6
"""Of the latents: eight bits of a float32 number's last."""

PROMPT = "a red circle on a blue background"
LONG = f"{PROMPT}, {', '.join(f'shape number {number}' for number in range(40))}"
PICTURES = {"init_image": start_picture(96, 64)}
MASKED = {**PICTURES, "mask_image": start_mask(96, 64)}

DEMO: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "guidance and sizes": tuple(
        {"sampler": sampler, "seed": seed, "guidance": guidance, "width": width, "height": height}
        for sampler, seed, (guidance, width, height) in product(
            get_args(NoiseSampler), (0, 7), ((5.0, 64, 64), (1.0, 96, 64), (7.5, 80, 112))
        )
    ),
    "steps": tuple(
        {"sampler": sampler, "steps": steps} for sampler, steps in product(get_args(NoiseSampler), (2, 9, 33))
    ),
    "several pictures": (
        {"num_images": 3},
        {"num_images": 3, "batch_seed": True, "sampler": "euler_a"},
        {"num_images": 2, "seed": [9, 2**63], "steps": [4, 9], "guidance": [1.0, 6.0]},
        {"num_images": 2, "sampler": ["heun", "ddim"], "guidance_interval": (0.5, 8.0)},
        {"prompts": (PROMPT, "a green square", ""), "negative_prompt": ["red", "", "blue"]},
        {"seed": -5, "negative_prompt": "red"},
    ),
    "prompts": (
        {"prompts": ("a (red:1.4) circle on a (blue:0.6) background",)},
        {"prompts": ("((red)) circle \\(of sorts\\), 16:9",), "negative_prompt": "(green:2)"},
        {"prompts": (LONG,)},
        {"prompts": (LONG, PROMPT), "negative_prompt": LONG},
        {"prompts": ("Zürich, 東京, 🎨 naïve café\tİstanbul\u00a0ﬁn",)},
    ),
    "levels": (
        *({"sampler": "dpmpp_2m", "sigmas": sigmas} for sigmas in ("karras", "exponential", "beta")),
        *({"sampler": "ddim", "spacing": spacing, "eta": 0.5} for spacing in ("leading", "linspace", "trailing")),
        {"sampler": "DPM++ 2M Karras"},
        {"sampler": "tcd", "eta": 0.3, "steps": 6},
    ),
    "noise and guidance": (
        {"noise": "philox", "sampler": "euler_a"},
        {"noise": "philox", "num_images": 2},
        {"guidance_interval": (0.28, 5.42)},
        {"guidance_interval": (0.0, 3.0), "sampler": "heun"},
        {"step_cache": 2},
        {"step_cache": 3, "guidance_interval": (0.5, 8.0), "sampler": "euler_a"},
    ),
    "img2img": (
        *(
            {**PICTURES, "sampler": sampler, "strength": strength}
            for sampler, strength in product(get_args(NoiseSampler), (0.35, 0.8))
        ),
        {**PICTURES, "width": 80, "height": 48},
        {"init_image": [start_picture(64, 64), start_picture(64, 64).rotate(90)], "num_images": 2},
    ),
    "masks": (
        *(
            {**MASKED, "sampler": sampler, "strength": strength}
            for sampler, strength in product(get_args(NoiseSampler), (0.6, 1.0))
        ),
        {**MASKED, "num_images": 2, "batch_seed": True},
        {**MASKED, "width": 64, "height": 80},
    ),
    "half-way": tuple(
        {"sampler": sampler, "denoising_end": 0.6} for sampler in get_args(NoiseSampler) if sampler != "lms"
    ),
}
"""By row of the table, the options of generations of demo and demo-b; all with guards, as users run."""


@contextmanager
def _opened(made: Made) -> Iterator[tuple[Pipeline, NativePipeline]]:
    replace = {"vae_decoder": made.vae, "vae_encoder": made.vae}
    with (
        latentlink.load(made.bundle, replace=replace) as ours,
        NativePipeline(library(), made.bundle, replace=replace) as native,
    ):
        yield ours, native


def _start(subject: Subject, case: Case, bundle_of: Callable[[str], Made], folder: Path) -> dict[str, Any]:
    """What a case starts from: a picture, a picture and a mask, or a file of latents."""
    if subject.after is not None:
        before = subject.case_before(case)
        with _opened(bundle_of(subject.after)) as (other, _):
            made = other.generate(before.prompts, guard="off", decode=False, **{"step_cache": 1, **before.options})
        calls = SAMPLERS[case["sampler"]].calls  # diffusers begins a two-call sampler a step early
        latents = replace(made.latents, level=None) if calls == 2 else made.latents
        latents.save(folder / "half.safetensors")
        return {"init_latents": folder / "half.safetensors"}
    if case.kind == "text2img":
        return {}
    start: dict[str, Any] = {"init_image": start_picture(case["width"], case["height"])}
    if case.kind == "inpaint":
        start["mask_image"] = start_mask(case["width"], case["height"])
    return start


def both(ours: Pipeline, native: NativePipeline, **options: Any) -> NativeDifference | None:
    """The difference between the two runtimes for one generation; None if both refuse its result, in equal words."""
    prompt, latents = options.pop("prompts", (PROMPT,)), options.pop("init_latents", None)
    options = {"seed": 3, "steps": 8, **options}
    given = None if latents is None else latentlink.Latents.load(latents)
    try:
        expected = ours.generate(prompt, init_latents=given, **options)
    except GuardError as error:
        with pytest.raises(GuardError) as raised:
            native.generate(prompt, init_latents=latents, **options)
        assert str(raised.value) == str(error)
        return None
    found = native.generate(prompt, init_latents=latents, **options)
    reference = expected.latents.array.astype(np.float64)
    return NativeDifference(
        relative=float(np.linalg.norm(found.latents - reference) / np.linalg.norm(reference)),
        equal=sum(
            np.array_equal(picture, np.asarray(image))
            for picture, image in zip(found.pictures, expected.images, strict=True)
        ),
        pictures=len(expected.images),
    )


@pytest.fixture(scope="module", params=["demo", "demo-b"])
def demo(request: pytest.FixtureRequest) -> Iterator[tuple[Pipeline, NativePipeline]]:
    with latentlink.load(request.param) as ours, NativePipeline(library(), request.param) as native:
        yield ours, native


@pytest.mark.xdist_group("native-demo")
@pytest.mark.parametrize("row", DEMO)
def test_a_demo_model_draws_the_same(
    demo: tuple[Pipeline, NativePipeline],
    row: str,
    record_native: Callable[[tuple[str, str], NativeDifference], None],
) -> None:
    ours, _ = demo
    worst = []
    for options in DEMO[row]:
        if (found := both(*demo, **options)) is None:
            continue
        record_native((ours.name, row), found)
        if found.relative > MAX_RELATIVE:
            worst.append((found.relative, options))
    assert not worst, worst


@pytest.mark.slow
@pytest.mark.parametrize(
    "subject",
    [
        pytest.param(one, id=one.name, marks=pytest.mark.xdist_group(one.checkpoint))
        for one in SUBJECTS
        if one.checkpoint not in VARIANTS
    ],
)
def test_a_family_draws_the_same(
    subject: Subject,
    bundle_of: Callable[[str], Made],
    record_native: Callable[[tuple[str, str], NativeDifference], None],
    tmp_path: Path,
) -> None:
    worst = []
    with _opened(bundle_of(subject.checkpoint)) as (ours, native):
        for case in subject.covering_cases():
            options: dict[str, Any] = {"step_cache": 1, **case.options, "prompts": case.prompts, "guard": "off"}
            found = both(ours, native, **options, **_start(subject, case, bundle_of, tmp_path))
            assert found is not None
            record_native((subject.family, subject.pipeline), found)
            if found.relative > MAX_RELATIVE:
                worst.append((found.relative, case))
    assert not worst, worst
