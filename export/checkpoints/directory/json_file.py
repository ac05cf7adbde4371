"""A JSON file of a checkpoint: an object of bounded size and depth, with text that can be written again."""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from latentlink.errors import CheckpointError

MOST_BYTES = 64 << 20
"""Sixteen times the largest published vocabulary of a text encoder here; configs are far smaller."""

MOST_LEVELS = 32
"""Objects and lists in one another: published tokenizers have 6."""

AGAIN = "Get the file again."


def read_json(path: Path) -> Mapping[str, Any]:
    """A JSON object from a file of a checkpoint.

    Raises:
        CheckpointError: The file is missing, is no plain file, is too large or too deep, or does not hold a JSON object
            of Unicode text. NaN, which JSON does not have but Python reads, counts as damage.
    """
    if path.exists() and not path.is_file():  # a pipe or device would not end
        raise CheckpointError(f"{str(path)!r} is not a file; expected JSON.", remedy=AGAIN)
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise CheckpointError(
                f"{str(path)!r} is larger than {MOST_BYTES >> 20} MB; expected JSON of a checkpoint.", remedy=AGAIN
            )
        value = json.loads(data.decode("utf-8"), parse_constant=_constant)
        # escapes may stand for halves of characters, which no file and no terminal takes
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except FileNotFoundError:
        raise CheckpointError(
            f"The checkpoint lacks {path.parent.name}/{path.name}.", remedy="Get the whole checkpoint again."
        ) from None
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise CheckpointError(f"{str(path)!r} is a link that leads to itself; expected JSON.", remedy=AGAIN) from None
    except (UnicodeError, ValueError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{str(path)!r} is not JSON: {error}.", remedy=AGAIN) from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{str(path)!r} holds no JSON object.", remedy=AGAIN)
    if _is_deeper(value, MOST_LEVELS):
        raise CheckpointError(
            f"{str(path)!r} has objects and lists in one another more than {MOST_LEVELS} levels deep; expected the "
            "JSON of a checkpoint.",
            remedy=AGAIN,
        )
    return value


def _constant(name: str) -> float:
    """Infinity, which diffusers writes for a limit that is none."""
    if name == "NaN":
        raise ValueError("it holds NaN")
    return float(name)


def _is_deeper(value: object, levels: int) -> bool:
    """Whether lists and objects are in one another more than this often. No recursion: it has a limit of its own."""
    layer = [value]
    for _ in range(levels):
        layer = [
            item
            for one in layer
            for item in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
            if isinstance(item, dict | list)
        ]
        if not layer:
            return False
    return True
