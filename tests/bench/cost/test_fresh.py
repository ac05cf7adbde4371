"""Functions in processes of their own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from latentlink.bench.cost import ProcessFailed, run_in_new_process
from latentlink.bench.cost import fresh as module
from latentlink.engine.sizes import parse_range
from latentlink.errors import LatentLinkError


def test_a_function_runs_in_another_process_and_what_it_returns_comes_back() -> None:
    assert run_in_new_process(os.getpid) != os.getpid()


@pytest.mark.parametrize(
    ("function", "argument", "said"),
    [
        (parse_range, "9" * 5000, "is not a size; expected a number"),
        (parse_range, "wide", r"^'wide' is not a size; expected a number"),
        (int, "wide", r"^ValueError: invalid literal"),
        (os._exit, 9, r"^Its process died with the exit status 9\.$"),
    ],
)
def test_what_goes_wrong_there_is_told_here(function: Callable[[Any], Any], argument: Any, said: str) -> None:
    with pytest.raises(LatentLinkError, match=said):
        run_in_new_process(function, argument)


def test_a_process_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMIT", 0.2)
    with pytest.raises(ProcessFailed, match=r"^It took more than 0\.2 seconds and was ended\.$"):
        run_in_new_process(time.sleep, 600)
