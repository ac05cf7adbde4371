"""`latentlink bench`: what it refuses, and what it says of processes that fail."""

from __future__ import annotations

import shutil
import sys

import pytest
from click.testing import CliRunner

import latentlink
from latentlink.bench.cost import measure
from latentlink.cli import group
from latentlink.cli.commands.generate import command as generate
from latentlink.errors import ExitStatus, LatentLinkError, UsageError
from latentlink.terminal.flags import in_flags


@pytest.mark.parametrize(("setting", "value"), [("steps", 0), ("sampler", "abacus"), ("width", 63)])
def test_what_generate_refuses_is_refused_in_its_words(setting: str, value: int | str) -> None:
    with latentlink.load("demo") as pipe, pytest.raises(UsageError) as refused:
        pipe.generate("a red circle", seed=0, **{setting: value})  # type: ignore[arg-type]  # that is what is refused
    done = CliRunner().invoke(group, ["bench", "demo", f"--{setting}", str(value), "--repeats", "1"])
    assert isinstance(done.exception, UsageError)
    assert str(done.exception) == in_flags(str(refused.value), generate.params)
    assert done.exception.status is ExitStatus.USAGE


def test_a_process_that_fails_without_a_word_is_told_with_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(LatentLinkError, match="latentlink generate ended with exit status 1: no output"):
        measure._cold("demo", "a red circle", {})
