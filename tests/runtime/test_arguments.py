"""Arguments of the public functions: whatever is given, one sentence says what was expected, before any work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import latentlink
from latentlink.errors import Cancelled, LatentLinkError, UsageError
from latentlink.options import MAX_THREADS, OPTIONS
from latentlink.runtime import Latents, Pipeline, Progress
from latentlink.runtime import loading as room
from latentlink.runtime.loading import decide, open_component

PROMPT = "a red circle on a blue background"
SMALL: Mapping[str, Any] = {"steps": 2, "seed": 1, "width": 32, "height": 32, "guard": "off"}

ODD: Mapping[str, object] = {
    "true": True,
    "numpy's true": np.True_,
    "minus one": -1,
    "a million": 10**6,
    "a number of 5000 digits": 10**5000,
    "a fraction": 0.5,
    "not a number": float("nan"),
    "an array": np.array([1, 2]),
    "no text": "",
    "the text no": "no",
    "a long text": "x" * 10**5,
    "half a surrogate pair": "\ud800",
    "NUL": "a\0b",
    "bytes": b"demo",
    "a list": [3],
    "a mapping": {"vae_decoder": 3},
    "an object": object(),
    "a class": Path,
    "a complex number": 2j,
}
"""Values that most arguments do not accept."""


async def wait(at: object) -> None:
    """Do nothing."""


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """No bundle may be opened."""
    monkeypatch.setattr(room, "_read", lambda *_, **__: pytest.fail("a bundle was opened"))


@pytest.mark.usefixtures("unread")
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("threads", [0, -1, MAX_THREADS + 1, 10**6, 10**5000, True, 2.0, "2", [2], float("inf")]),
        ("vae_memory", [0, -1, True, 2e9, "2GB", [1]]),
        ("engine_memory", [0, -1, True, 2e9, "2GB", [1]]),
        ("target", [3, None, "", "ort_cpu", ["auto"], True, b"auto"]),
        ("verify", ["no", 0, 1, "", []]),
        ("replace", [3, "vae_decoder=demo-b", ["vae_decoder"], {3: "demo"}, {"vae_decoder": 3}, {"vae_decoder": None}]),
        ("previews", [3, b"demo-tiny", "", True]),
        ("on_progress", [3, "print", wait]),
    ],
)
def test_load_checks_an_argument_before_it_reads_anything(name: str, values: list[object]) -> None:
    for value in values:
        with pytest.raises(UsageError, match=name):
            latentlink.load("demo", **{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [b"demo", 3, None, True, "", "a\0b", ["demo"], {"demo": 1}])
@pytest.mark.parametrize("opens", [latentlink.load, decide, partial(open_component, component="denoiser")])
def test_what_is_no_path_is_no_bundle(opens: Callable[[Any], object], value: object) -> None:
    with pytest.raises(UsageError, match=r"^bundle is .*; expected"):
        opens(value)


def test_the_limits_of_load_may_be_reached() -> None:
    with latentlink.load("demo", threads=np.int64(1), vae_memory=np.int64(10**9), verify=np.False_) as pipe:  # type: ignore[arg-type]
        assert pipe.generate(PROMPT, **SMALL).images


def calls(demo: Pipeline, latents: Latents) -> dict[str, Callable[[Any], object]]:
    """By argument, a call with a value of it."""
    stage = latentlink.Stage(pipeline=demo, steps=1, width=32, height=32)
    picture = Image.new("RGB", (32, 32))
    found: dict[str, Callable[[Any], object]] = {
        "target of decide": lambda value: decide("demo", target=value),
        "component of open_component": lambda value: open_component("demo", value),
        "threads of open_component": lambda value: open_component("demo", "vae_decoder", threads=value),
        "prompt of generate": lambda value: demo.generate(value, **SMALL),
        "on_step of generate": lambda value: demo.generate(PROMPT, on_step=value, **SMALL),
        "latents of decode": demo.decode,
        "guard of decode": lambda value: demo.decode(latents, guard=value),
        "latents of preview": demo.preview,
        "images of encode": demo.encode,
        "seed of encode": lambda value: demo.encode(picture, seed=value, guard="off"),
        "pipeline of Stage": lambda value: latentlink.Stage(pipeline=value),
        "stages of chain": lambda value: latentlink.chain(PROMPT, value),
        "latents of transfer": lambda value: latentlink.transfer(value, source=demo, destination=demo),
        "source of transfer": lambda value: latentlink.transfer(latents, source=value, destination=demo),
        "destination of transfer": lambda value: latentlink.transfer(latents, source=demo, destination=value),
        "array of Latents": lambda value: Latents(array=value, space=latents.space),
        "space of Latents": lambda value: Latents(array=latents.array, space=value),
        "level of Latents": lambda value: Latents(array=latents.array, space=latents.space, level=value),
        "path of Latents.load": Latents.load,
    }
    for name in ("width", "height", "fit", "guard"):
        move = partial(latentlink.transfer, latents, source=demo, destination=demo)
        found[f"{name} of transfer"] = lambda value, name=name, move=move: move(**{name: value})  # type: ignore[misc]
    for name in ("fit", "keep", "on_step", "seed", "num_images", "noise", "guard"):
        found[f"{name} of chain"] = lambda value, name=name: latentlink.chain(PROMPT, [stage], **{name: value})  # type: ignore[misc]
    for name in OPTIONS:
        found[f"{name} of generate"] = lambda value, name=name: demo.generate(PROMPT, **{**SMALL, name: value})  # type: ignore[misc]
    return found


def test_every_argument_accepts_a_value_or_refuses_it_in_one_sentence(demo: Pipeline) -> None:
    latents = demo.generate(PROMPT, **SMALL).latents
    refusals = 0
    for argument, call in calls(demo, latents).items():
        for title, value in ODD.items():
            if title == "a class" and argument.startswith("on_step"):
                continue  # it can be called
            try:
                call(value)
            except LatentLinkError as error:
                refusals += 1
                assert "\n" not in str(error), f"{argument}: {title}"
                assert len(str(error)) < 800, f"{argument}: {title}"
            except Exception as error:
                raise AssertionError(f"{argument}: {title}") from error
    assert refusals > 500


@pytest.mark.parametrize("answer", [False, np.False_, 0, 0.0, "", []])
def test_any_false_answer_of_on_step_but_none_cancels(demo: Pipeline, answer: Any) -> None:
    with pytest.raises(Cancelled, match="after row 1 of 2"):
        demo.generate(PROMPT, on_step=lambda at: answer, **SMALL)


@pytest.mark.parametrize("answer", [None, True, np.True_, 1, "no"])
def test_none_and_true_answers_of_on_step_go_on(demo: Pipeline, answer: Any) -> None:
    assert demo.generate(PROMPT, on_step=lambda at: answer, **SMALL).images


@pytest.mark.filterwarnings("error")
def test_answers_of_on_step_that_say_neither_are_refused(demo: Pipeline) -> None:
    with pytest.raises(UsageError, match="on_step returned coroutine, which nobody awaits; expected None or True"):
        demo.generate(PROMPT, on_step=lambda at: wait(at), **SMALL)  # type: ignore[arg-type, return-value]
    with pytest.raises(UsageError, match="neither true nor false"):
        demo.generate(PROMPT, on_step=lambda at: np.zeros(2), **SMALL)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), StopIteration(), SystemExit(3)])
def test_what_a_callback_raises_reaches_the_caller_and_the_pipeline_goes_on(
    demo: Pipeline, error: BaseException
) -> None:
    def stop(at: Progress) -> None:
        raise error

    before = demo.generate(PROMPT, **SMALL).latents.array
    with pytest.raises(type(error)) as caught:
        demo.generate(PROMPT, on_step=stop, **SMALL)
    assert caught.value is error
    assert np.array_equal(demo.generate(PROMPT, **SMALL).latents.array, before)


def test_what_on_progress_raises_reaches_the_caller_and_what_it_returns_is_not_read() -> None:
    error = ValueError("mine")

    def stop(done: int, total: int) -> None:
        raise error

    with pytest.raises(ValueError, match="mine") as caught:
        latentlink.load("demo", on_progress=stop)
    assert caught.value is error
    latentlink.load("demo", on_progress=lambda done, total: False).close()  # type: ignore[arg-type]
