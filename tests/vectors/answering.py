"""Questions to the Python runtime, answered or refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from latentlink.errors import LatentLinkError


def answer_of(ask: Callable[[Any], Any], given: Any) -> dict[str, Any]:
    """The answer, or the error in its parts."""
    try:
        return {"answer": ask(given)}
    except LatentLinkError as error:
        return {"status": int(error.status), "message": error.message, "remedy": error.remedy}
