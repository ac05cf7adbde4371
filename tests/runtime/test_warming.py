"""The first run of every engine, before anybody waits for it."""

from __future__ import annotations

from typing import Any

import pytest

from latentlink.errors import UsageError
from latentlink.runtime import Pipeline


def test_warming_up_runs_every_engine_once_at_the_size(demo: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: dict[str, int] = {}
    for engine in demo.engines:
        run = engine.session.run

        def counted(*given: Any, title: str = engine.component, run: Any = run) -> Any:
            ran[title] = ran.get(title, 0) + 1
            return run(*given)

        monkeypatch.setattr(engine.session, "run", counted)
    demo.warm_up(width=128, height=64, num_images=2)
    assert {*ran} == {engine.component for engine in demo.engines}
    with pytest.raises(UsageError, match="width 100 is not a multiple"):
        demo.warm_up(width=100)
    with pytest.raises(TypeError, match=r"warm_up\(\) got an unexpected keyword argument 'batch'"):
        demo.warm_up(batch=2)  # type: ignore[call-arg]
