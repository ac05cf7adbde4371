"""Checks of arguments: the value in one known type, or one short sentence."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latentlink import checks
from latentlink.errors import UsageError


class Silent:
    """An object that cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("it has no name")


class Caller:
    """An object that is called as a coroutine."""

    async def __call__(self, at: object) -> None:
        """Do nothing."""


async def wait(at: object) -> None:
    """Do nothing."""


def count(at: object) -> Any:
    """Nothing that a caller would run."""
    yield at


HUGE = 10**5000


def kind(value: object) -> str:
    """The name of a case."""
    return type(value).__name__


@pytest.mark.parametrize(
    "value", [HUGE, -HUGE, "x" * 10**6, np.zeros((50, 50)), Silent(), b"\0" * 10**6, "a\nb"], ids=kind
)
def test_any_value_is_shown_in_one_short_line(value: object) -> None:
    text = checks.shown(value)
    assert "\n" not in text
    assert 0 < len(text) <= checks.MAX_SHOWN + 3


@pytest.mark.parametrize("value", [1, 4, np.int64(4), np.uint8(1)], ids=kind)
def test_whole_numbers_become_ints(value: object) -> None:
    assert type(checks.whole("n", value, 1, 4)) is int
    assert type(checks.byte_count("n", value)) is int


@pytest.mark.parametrize("value", [0, 5, True, np.True_, 2.0, np.float32(2), "2", None, [2], HUGE, 2j], ids=kind)
def test_what_is_no_whole_number_in_the_range_is_refused(value: object) -> None:
    with pytest.raises(UsageError, match=r"n is .*; expected a whole number from 1 to 4"):
        checks.whole("n", value, 1, 4)


@pytest.mark.parametrize("value", [0, -1, True, 2e9, "2GB", None, [2]], ids=kind)
def test_what_is_no_number_of_bytes_is_refused(value: object) -> None:
    with pytest.raises(UsageError, match="expected a number of bytes above 0"):
        checks.byte_count("n", value)


def test_a_truth_value_may_be_numpys_and_nothing_else() -> None:
    assert checks.truth("t", np.True_) is True
    refused: list[object] = [0, 1, "no", None, [], np.array([True, False])]
    for value in refused:
        with pytest.raises(UsageError, match="expected True or False"):
            checks.truth("t", value)


def test_an_unknown_text_is_refused_with_the_nearest_known_one() -> None:
    assert checks.choice("target", "ort-cpu", ("auto", "ort-cpu")) == "ort-cpu"
    with pytest.raises(UsageError, match=r"Did you mean 'ort-cpu'?"):
        checks.choice("target", "ort_cpu", ("auto", "ort-cpu"))
    for value in (3, None, ["ort-cpu"], HUGE):
        with pytest.raises(UsageError, match=r"Unknown target .*; expected one of: auto, ort-cpu"):
            checks.choice("target", value, ("auto", "ort-cpu"))


@pytest.mark.parametrize("value", ["ort-cpu", b"ort-cpu", [1], {"ort-cpu"}, None], ids=kind)
def test_a_single_text_is_no_list_of_texts(value: object) -> None:
    with pytest.raises(UsageError, match="expected a list of texts"):
        checks.texts("targets", value)


@pytest.mark.parametrize("value", ["a", "./a", Path("a/b"), "\udc80", "a" * 255], ids=kind)
def test_a_path_may_be_text_or_a_path(value: str | Path) -> None:
    assert checks.path_of("p", value) == Path(value)


@pytest.mark.parametrize("value", [b"a", 3, None, "", "a\0b", "\ud800", "a" * 256, "a/" * 2048 + "a", ["a"]], ids=kind)
def test_what_is_no_path_is_refused(value: object) -> None:
    with pytest.raises(UsageError, match=r"^p is .*; expected "):
        checks.path_of("p", value)


@pytest.mark.parametrize("value", [wait, functools.partial(wait, 1), Caller(), count], ids=kind)
def test_functions_that_would_not_run_are_no_callbacks(value: Callable[..., object]) -> None:
    with pytest.raises(UsageError, match=r"^on_step is an? (async|generator) function, .*; expected a plain one"):
        checks.callback("on_step", value)


@pytest.mark.parametrize("value", [3, "print", [], True], ids=kind)
def test_what_cannot_be_called_is_no_callback(value: object) -> None:
    with pytest.raises(UsageError, match=r"on_step is .*; expected a function, or None"):
        checks.callback("on_step", value)


def test_functions_methods_and_none_are_callbacks() -> None:
    checks.callbacks(one=None, two=print, three=[].append, four=functools.partial(print, 1), five=lambda at: None)
