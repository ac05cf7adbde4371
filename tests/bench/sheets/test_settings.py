"""Every picture of a sheet is the one that its settings make alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

import latentlink
from latentlink.bench.sheets import settings
from latentlink.bench.sheets.axes import Axes, Axis
from latentlink.bench.sheets.grid import GAP
from latentlink.bench.sheets.settings import Drawn, draw, most_at_once, plan, sheet
from latentlink.errors import LinkError, UsageError
from latentlink.runtime import Pipeline

RED, STAR = "a red circle on a blue background", "a green star on a white background"


@pytest.fixture(scope="module")
def pipes() -> Iterator[dict[str, Pipeline]]:
    with latentlink.load("demo") as demo, latentlink.load("demo-b") as other:
        yield {"demo": demo, "demo-b": other}


def drawn(
    pipes: Mapping[str, Pipeline], varied: Mapping[str, Any], *, at_once: int | None = None, **options: Any
) -> tuple[Axes, list[Drawn]]:
    """The pictures of a sheet in their order."""
    usual: dict[str, Any] = {"bundle": ["demo"], "prompt": [RED], "seed": [3], "steps": [3]}
    axes = Axes.of({**varied, **{name: values for name, values in usual.items() if name not in varied}})
    found = draw(plan(pipes, axes, options, at_once=at_once))
    return axes, sorted(found, key=lambda one: one.number)


def alone(pipes: Mapping[str, Pipeline], cell: Mapping[str, Any], options: Mapping[str, Any]) -> Image.Image:
    """The picture that `generate` makes of one picture's settings."""
    own = {name: value for name, value in cell.items() if name not in ("bundle", "prompt")}
    return pipes[cell["bundle"]].generate(cell["prompt"], **own, **options).images[0]


@pytest.mark.parametrize(
    "varied",
    [
        {"prompt": [RED, STAR], "sampler": ["euler", "dpmpp_2m"], "seed": [1, 2]},
        {"steps": [2, 4], "guidance": [1.0, 4.0, 7.5]},
        {"sampler": ["euler"], "sigmas": ["karras", "exponential"], "seed": [1, 2]},
        {"width": [64, 96], "height": [64, 80]},
        {"negative_prompt": ["", "blue"], "step_cache": [1, 2]},
        {"bundle": ["demo", "demo-b"], "seed": [1, 2]},
        {"prompt": [RED, " ".join([STAR] * 20)], "guidance_interval": [(0.28, 5.42), (0.0, float("inf"))]},
    ],
    ids=lambda varied: " ".join(varied),
)
def test_each_picture_is_bit_for_bit_that_of_generate(pipes: dict[str, Pipeline], varied: dict[str, Any]) -> None:
    axes, found = drawn(pipes, varied)

    assert len(found) == axes.count > 1
    for one, cell in zip(found, axes.cells, strict=True):
        assert one.picture == alone(pipes, cell, {}), cell
        assert one.request is not None
        assert one.request.seed == cell["seed"]


def test_each_picture_from_a_picture_is_that_of_generate(pipes: dict[str, Pipeline]) -> None:
    options: dict[str, Any] = {"init_image": pipes["demo"].generate(STAR, seed=1, steps=3).images[0]}
    axes, found = drawn(pipes, {"strength": [0.4, 0.8], "steps": [4, 8]}, **options)

    for one, cell in zip(found, axes.cells, strict=True):
        assert one.picture == alone(pipes, cell, options), cell


def test_pictures_of_a_batch_come_to_their_places(pipes: dict[str, Pipeline]) -> None:
    varied: dict[str, Any] = {"sigmas": ["karras", "exponential"], "sampler": ["euler", "dpmpp_2m"], "seed": [1, 2]}
    done: list[float] = []
    axes = Axes.of({"bundle": ["demo"], "prompt": [RED], "steps": [3], **varied})
    batches = plan(pipes, axes, {}, at_once=3)
    found = {one.number: one for one in draw(batches, on_progress=done.append)}

    assert [batch.numbers for batch in batches] == [(0, 1, 2), (3,), (4, 5, 6), (7,)]
    assert done == sorted(done)
    assert done[-1] == axes.count
    for number, cell in enumerate(axes.cells):
        picture = np.asarray(found[number].picture).astype(int)
        # sums of another order in a batch: the latents of test_pipeline.py differ by 1e-4
        assert np.abs(picture - np.asarray(alone(pipes, cell, {}))).max() <= 1, cell


@pytest.mark.parametrize("at_once", [1, 4])
def test_what_a_guard_refuses_is_a_place_with_its_reason(pipes: dict[str, Pipeline], at_once: int) -> None:
    _, found = drawn(
        pipes, {"sampler": ["ddim", "lms"], "seed": [1, 2], "steps": [20], "guidance": [7.5]}, at_once=at_once
    )

    assert [one.picture is None for one in found] == [False, False, True, True]
    assert [one.fault is None for one in found] == [True, True, False, False]
    assert "sampler lms" in str(found[2].fault)


def test_a_prompt_is_encoded_once_for_each_bundle(pipes: dict[str, Pipeline], monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[str] = []
    encode: Callable[..., Any] = Pipeline.encode_prompt

    def counted(pipe: Pipeline, prompt: str, **options: Any) -> Any:
        encoded.append(f"{pipe.name}: {prompt}")
        return encode(pipe, prompt, **options)

    monkeypatch.setattr(Pipeline, "encode_prompt", counted)
    drawn(pipes, {"prompt": [RED, STAR], "seed": [1, 2, 3], "bundle": ["demo", "demo-b"]})
    assert sorted(encoded) == sorted(f"{name}: {prompt}" for name in pipes for prompt in (RED, STAR))


@pytest.mark.parametrize(
    "varied",
    [
        {"sampler": ["euler", "nonsense"]},
        {"strength": [1.0, 0.5]},
        {"width": [64, 70]},
        {"bundle": ["demo", "demo-b"], "step_cache": [1, 0]},
    ],
    ids=str,
)
def test_a_wrong_setting_is_refused_before_anything_is_drawn(
    pipes: dict[str, Pipeline], varied: dict[str, Any]
) -> None:
    axes = Axes.of({"bundle": ["demo"], "prompt": [RED], "seed": [3], **varied})
    with pytest.raises(UsageError):
        plan(pipes, axes, {})


def test_on_a_processor_pictures_are_drawn_alone_and_elsewhere_as_engines_accept() -> None:
    def most(limits: Mapping[str, tuple[int, int, int]], **options: Any) -> int:
        pipe = SimpleNamespace(
            linked=SimpleNamespace(denoiser=SimpleNamespace(session=object())),
            sampling=SimpleNamespace(width=512, height=512),
            whole_engines=(SimpleNamespace(limits=limits), SimpleNamespace(limits={})),
        )
        return most_at_once(cast(Pipeline, pipe), options)

    assert most({}) == settings.PIXELS_AT_ONCE // 512**2
    assert most({"B": (1, 1, 4)}) == 4
    assert most({"B": (2, 2, 2)}, width=4096, height=4096) == 1
    assert most({}, init_image=Image.new("RGB", (1024, 1024))) == settings.PIXELS_AT_ONCE // 1024**2
    with latentlink.load("demo") as demo:
        assert most_at_once(demo, {}) == 1


def test_a_sheet_shows_small_pictures_in_multiples_and_in_their_places() -> None:
    axes = Axes.of({"bundle": ["demo"], "steps": [5, 10], "seed": [1, 2]})
    greys = [10, 20, 30, 40]
    found = [Drawn(number=n, picture=Image.new("RGB", (64, 64), (grey,) * 3)) for n, grey in enumerate(greys)]

    made = np.asarray(sheet(axes, found))

    places = [np.argwhere((made == grey).all(axis=2)) for grey in greys]
    corners = [place.min(axis=0) for place in places]
    assert [np.ptp(place, axis=0).tolist() for place in places] == [[127, 127]] * 4
    assert (corners[1] - corners[0]).tolist() == [0, 128 + GAP]
    assert (corners[2] - corners[0]).tolist() == [128 + GAP, 0]


def test_a_sheet_of_refusals_alone_is_still_a_sheet() -> None:
    axes = Axes(fixed={}, varied=(Axis(name="seed", values=(1, 2)),))
    made = sheet(axes, [Drawn(number=n, fault="a guard refused it") for n in range(2)])
    assert made.width > 2 * settings.LEAST_SHOWN


def test_a_bundle_without_a_denoiser_is_refused(pipes: dict[str, Pipeline]) -> None:
    with latentlink.load("demo-tiny") as vae, pytest.raises((UsageError, LinkError), match="VAE alone"):
        drawn({**pipes, "demo-tiny": vae}, {"bundle": ["demo", "demo-tiny"]})
