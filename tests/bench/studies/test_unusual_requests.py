"""The study of whom guards blame counts both sides."""

from __future__ import annotations

from typing import Any

from latentlink.bench.studies.unusual_requests import Blame, table
from latentlink.errors import GuardError, UsageError


class Refuses:
    """A pipeline whose every request ends with this error."""

    name = "demo"

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    def generate(self, prompt: str, **settings: Any) -> None:
        if self.error is not None:
            raise self.error


def refusal(**unusual: object) -> GuardError:
    return GuardError("It is noise.", stage="denoiser", numbers={}, cause="Weights.", unusual=unusual)


def test_a_request_counts_by_who_is_blamed_and_an_invalid_one_not_at_all() -> None:
    blame = Blame()
    for error in (None, refusal(guidance=60.0), refusal(), UsageError("No.")):
        blame.run(Refuses(error), "a cat", {"steps": 3})  # type: ignore[arg-type]
    assert (blame.drawn, blame.request, blame.engine) == (1, 1, 1)
    assert blame.examples == ["demo, {'steps': 3}: It is noise."]
    assert "| wild | 1 | 1 | 1 |" in table({"wild": blame})
