"""Calls that are ended: by another thread, by a signal handler, in every stage."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from latentlink.errors import Cancelled
from latentlink.runtime import Pipeline

PROMPT = "a red circle on a blue background"
SETTINGS: dict[str, Any] = {"seed": 3, "steps": 6, "sampler": "euler"}


def cancelled_during(
    pipe: Pipeline, monkeypatch: pytest.MonkeyPatch, component: str, call: Callable[[], object]
) -> list[str]:
    """The engines that ran until a call ended that another thread cancels while `component` runs."""
    ran: list[str] = []
    inside, cancelled = threading.Event(), threading.Event()
    for engine in pipe.engines:
        run = engine.session.run

        def watched(*given: Any, title: str = engine.component, run: Any = run) -> Any:
            ran.append(title)
            done = run(*given)
            if title == component:
                inside.set()
                cancelled.wait(10)
            return done

        monkeypatch.setattr(engine.session, "run", watched)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(call)
        assert inside.wait(10)
        pipe.cancel()
        cancelled.set()
        with pytest.raises(Cancelled):
            running.result()
    return ran


def test_another_thread_cancels_within_a_row(demo: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = cancelled_during(demo, monkeypatch, "denoiser", lambda: demo.generate(PROMPT, **SETTINGS))
    assert ran[-2:] == ["denoiser", "denoiser"]  # the second was refused
    assert ran.count("denoiser") == 2
    assert demo.generate(PROMPT, **SETTINGS).images  # later calls are not affected


def test_another_thread_cancels_while_text_is_encoded(demo: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = cancelled_during(demo, monkeypatch, "text_encoder", lambda: demo.generate(PROMPT, **SETTINGS))
    assert ran == ["text_encoder", "denoiser"]


def test_another_thread_cancels_while_pictures_are_decoded(demo: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    latents = demo.generate(PROMPT, **SETTINGS, num_images=3, decode=False).latents
    assert cancelled_during(demo, monkeypatch, "vae_decoder", lambda: demo.decode(latents)) == ["vae_decoder"] * 2


def test_another_thread_cancels_while_pictures_are_encoded(demo: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = demo.generate(PROMPT, **SETTINGS, num_images=3).images
    assert cancelled_during(demo, monkeypatch, "vae_encoder", lambda: demo.encode(pictures)) == ["vae_encoder"] * 2


def test_a_run_that_has_begun_is_interrupted(demo: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    (decoder,) = (engine.session for engine in demo.engines if engine.component == "vae_decoder")
    options = type(decoder)._run_options  # type: ignore[attr-defined]

    def late(session: Any) -> Any:
        if session is decoder:
            demo.cancel()  # after the look before the run
        return options(session)

    monkeypatch.setattr(type(decoder), "_run_options", late)
    latents = demo.generate(PROMPT, **SETTINGS, decode=False).latents
    with pytest.raises(Cancelled, match=r"Cancelled by Pipeline\.cancel"):
        demo.decode(latents)
    monkeypatch.undo()
    assert demo.decode(latents)


def test_steps_cancel_only_themselves(demo: Pipeline) -> None:
    one, other = demo.steps(PROMPT, **SETTINGS), demo.steps(PROMPT, **SETTINGS)
    next(one), next(other)
    one.cancel()
    with pytest.raises(Cancelled):
        one.finish()
    assert other.finish().images
    demo.cancel()  # nothing runs


def test_a_signal_handler_may_cancel_while_its_thread_begins_a_call(
    demo: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(set[Any]):
        def add(self, call: Any) -> None:
            super().add(call)
            demo.cancel()  # as a handler would, between two instructions of the thread that holds the lock

    monkeypatch.setattr(demo, "_calls", Interrupted())

    def draw() -> None:
        with pytest.raises(Cancelled):
            demo.generate(PROMPT, **SETTINGS)

    thread = threading.Thread(target=draw, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()


def test_what_a_signal_handler_raises_reaches_the_caller_as_it_is(
    demo: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deadline(*_: Any) -> Any:
        raise TimeoutError("my deadline")

    monkeypatch.setattr("onnxruntime.RunOptions", deadline)
    with pytest.raises(TimeoutError, match="my deadline"):
        demo.generate(PROMPT, **SETTINGS)
