"""A JSON file of a checkpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from latentlink.errors import CheckpointError


def read_json(path: Path) -> Mapping[str, Any]:
    """A JSON object from a file of a checkpoint.

    Raises:
        CheckpointError: The file is missing or does not hold a JSON object.
    """
    if path.exists() and not path.is_file():  # a pipe or device would not end
        raise CheckpointError(f"{str(path)!r} is not a file; expected JSON.", remedy="Get the file again.")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"The checkpoint lacks {path.parent.name}/{path.name}.", remedy="Get the whole checkpoint again."
        ) from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise CheckpointError(f"{str(path)!r} is not JSON: {error}.", remedy="Get the file again.") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{str(path)!r} holds no JSON object.", remedy="Get the file again.")
    return value
