"""A budget for open engines: never more than it allows, the same pictures, and no engine swapped unseen."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from PIL import Image

import latentlink
from latentlink.errors import BundleError, UsageError
from latentlink.runtime import Pipeline, bundle_path
from latentlink.runtime.linking import EngineMemory, opening
from latentlink.runtime.linking.engine_memory import ReopeningSession, reopen
from latentlink.runtime.sessions import Buffer, Session, open_session

ENGINES = bundle_path("demo") / "engines"
PROMPT = "a red circle on a blue background"
START = Image.new("RGB", (64, 64), (200, 40, 40))


def size(path: Path) -> int:
    """Bytes of an engine's folder."""
    return sum(file.stat().st_size for file in path.parent.iterdir())


LARGEST = size(ENGINES / "denoiser" / "ort-cpu" / "model.onnx")


class Watched:
    """Opens engines and keeps count of which are open."""

    def __init__(self) -> None:
        self.open: dict[Path, int] = {}
        self.opened: list[str] = []
        self.most = 0

    def __call__(self, path: Path, target: str, **options: Any) -> Session:
        session = open_session(path, target, **options)
        close = session.close

        def closed() -> None:
            self.open.pop(path, None)
            close()

        session.close = closed  # type: ignore[method-assign]
        self.open[path] = size(path)
        self.opened.append(path.parent.parent.name)
        self.most = max(self.most, sum(self.open.values()))
        return session


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    watch = Watched()
    monkeypatch.setattr(opening, "open_session", watch)
    return watch


def drawn(pipe: Pipeline) -> tuple[np.ndarray[Any, Any], Mapping[str, float]]:
    result = pipe.generate(PROMPT, seed=7, steps=2, init_image=START)
    return np.asarray(result.images[0]), result.timings


def test_no_more_is_open_than_the_budget_and_pictures_are_the_same(demo: Pipeline, watched: Watched) -> None:
    with latentlink.load("demo", engine_memory=LARGEST, verify=True) as pipe:
        pictures = [drawn(pipe)[0] for _ in range(2)]
        assert len(watched.open) == 1
    assert watched.most == LARGEST
    assert watched.open == {}
    expected, _ = drawn(demo)
    assert all(np.array_equal(picture, expected) for picture in pictures)


def test_engines_are_opened_in_the_order_of_the_work(watched: Watched) -> None:
    with latentlink.load("demo", engine_memory=LARGEST) as pipe:
        drawn(pipe)
        watched.opened.clear()
        drawn(pipe)
    assert watched.opened == ["text_encoder", "vae_encoder", "denoiser", "vae_decoder"]


def test_engines_that_all_fit_are_opened_once(watched: Watched) -> None:
    whole = sum(size(path) for path in ENGINES.glob("*/ort-cpu/model.onnx"))
    with latentlink.load("demo", engine_memory=whole) as pipe:
        drawn(pipe)
    assert sorted(watched.opened) == ["denoiser", "denoiser_shallow", "text_encoder", "vae_decoder", "vae_encoder"]


def test_seconds_inside_the_engine_outlive_the_engine(demo: Pipeline) -> None:
    with latentlink.load("demo", engine_memory=LARGEST) as pipe:
        for _ in range(2):
            timings = drawn(pipe)[1]
            assert 0 < timings["denoiser_engine"] <= timings["denoiser"]


def test_a_memory_budget_is_measured_without_the_engines_own_weights() -> None:
    with latentlink.load("demo", engine_memory=LARGEST, vae_memory=10**9) as pipe:
        assert pipe.generate(PROMPT, seed=7, steps=1, width=64, height=64).passes == {}


def test_an_engine_larger_than_the_budget_is_refused_with_both_sizes() -> None:
    expected = f"denoiser of demo has {LARGEST / 1e6:.1f} MB, .* at most 5.0 MB in all. .*engine_memory={LARGEST}"
    with pytest.raises(UsageError, match=expected):
        latentlink.load("demo", engine_memory=5_000_000)


@pytest.mark.parametrize("budget", [0, -1, True, 1.5, "2GB"])
def test_what_is_no_number_of_bytes_is_refused(budget: Any) -> None:
    with pytest.raises(UsageError, match="expected a number of bytes"):
        latentlink.load("demo", engine_memory=budget)


def reopening(path: Path, memory: EngineMemory, *, takes: int = 1) -> ReopeningSession:
    """The demo's decoder at `path`, counted as so many bytes."""
    path.parent.mkdir(parents=True)
    for file in (ENGINES / "vae_decoder" / "ort-cpu").iterdir():
        shutil.copy(file, path.parent / file.name)
    return ReopeningSession(
        title=f"vae_decoder of {path.parent.name}",
        path=path,
        size=takes,
        opener=lambda: open_session(path, "ort-cpu"),
        memory=memory,
    )


def run(session: ReopeningSession) -> Mapping[str, Buffer]:
    z = session.inputs[0]
    return session.run(
        {z.tensor: session.upload(np.zeros((1, z.size("c"), 2, 2), z.dtype))}, {session.outputs[0].tensor: None}
    )


def test_the_engine_that_ran_longest_ago_is_closed_first(tmp_path: Path) -> None:
    memory = EngineMemory(2)
    a, b = (reopening(tmp_path / name / "model.onnx", memory) for name in "ab")
    run(a)
    c = reopening(tmp_path / "c" / "model.onnx", memory)
    assert [reopen(session) for session in (a, c)] == [False, False]
    assert reopen(b)
    assert memory.used == 2


def test_as_many_are_closed_as_a_large_one_needs(tmp_path: Path) -> None:
    memory = EngineMemory(3)
    small = [reopening(tmp_path / name / "model.onnx", memory) for name in "abc"]
    reopening(tmp_path / "large" / "model.onnx", memory, takes=2)
    assert memory.used == 3
    run(small[2])
    assert memory.used == 3


def test_a_buffer_outlives_the_engine_that_made_it(tmp_path: Path) -> None:
    memory = EngineMemory(1)
    a = reopening(tmp_path / "a" / "model.onnx", memory)
    kept = a.upload(np.arange(3, dtype=np.float32))
    reopening(tmp_path / "b" / "model.onnx", memory)
    assert kept.numpy().tolist() == [0, 1, 2]
    assert a.upload(kept.numpy()).numpy().tolist() == [0, 1, 2]


def test_an_engine_that_was_replaced_while_it_was_closed_is_refused(tmp_path: Path) -> None:
    memory = EngineMemory(1)
    a = reopening(tmp_path / "a" / "model.onnx", memory)
    reopening(tmp_path / "b" / "model.onnx", memory)
    weights = tmp_path / "a" / "model.onnx.data"
    data = weights.read_bytes()
    weights.unlink()
    weights.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    with pytest.raises(BundleError, match="vae_decoder of a were replaced"):
        run(a)


def test_an_engine_that_was_closed_for_good_is_not_opened_again(tmp_path: Path) -> None:
    memory = EngineMemory(1)
    a = reopening(tmp_path / "a" / "model.onnx", memory)
    a.close()
    a.close()
    assert memory.used == 0
    with pytest.raises(UsageError, match="is closed"):
        run(a)


def test_another_thread_does_not_close_the_engine_that_is_about_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = EngineMemory(1)
    b, a = (reopening(tmp_path / name / "model.onnx", memory) for name in "ba")
    begun, done = Event(), Event()
    run_a = a._session.run

    def slow(*arguments: Any) -> Mapping[str, Buffer]:
        begun.set()
        done.wait(0.3)  # for the other to open its own, which it must not do yet
        return run_a(*arguments)

    monkeypatch.setattr(a._session, "run", slow)

    def other() -> Mapping[str, Buffer]:
        begun.wait(10)
        made = run(b)
        done.set()
        return made

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(run, a), pool.submit(other)
        assert [len(future.result(10)) for future in (first, second)] == [1, 1]
    assert memory.used == 1
