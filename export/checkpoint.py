"""A checkpoint on disk: a diffusers directory, and the evidence it gives about itself."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latentlink.errors import CheckpointError
from latentlink.export.loading import load_network


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A diffusers directory.

    Args:
        root: The directory.
        classes: Class name of every part, as `model_index.json` has them, absent parts left out.
        index: What else it says, such as `force_zeros_for_empty_prompt`.
    """

    root: Path
    classes: Mapping[str, str]
    index: Mapping[str, Any]

    @classmethod
    def open(cls, path: str | Path) -> Checkpoint:
        """Read the index of a checkpoint; weights are not read yet.

        Raises:
            CheckpointError: There is no checkpoint at `path`.
        """
        root = Path(path)
        if not root.exists():
            raise CheckpointError(
                f"There is no checkpoint at {str(path)!r}.",
                remedy="Give the directory of a diffusers checkpoint (it holds model_index.json).",
            )
        if not root.is_dir() or not (root / "model_index.json").is_file():
            raise CheckpointError(
                f"{str(path)!r} is not a diffusers checkpoint: expected a directory with model_index.json.",
                remedy="diffusers writes one with pipeline.save_pretrained(DIRECTORY).",
            )
        index = read_json(root / "model_index.json")
        classes = {
            part: value[1]
            for part, value in index.items()
            if isinstance(value, list) and len(value) == 2 and all(isinstance(item, str) for item in value)
        }
        return cls(root=root.resolve(), classes=classes, index=index)

    @property
    def label(self) -> str:
        """The directory's name as a name of the vocabulary: lower case, words joined by '-'."""
        return re.sub(r"[^a-z0-9]+", "-", self.root.name.lower()).strip("-")[:48].strip("-") or "model"

    @property
    def absent(self) -> frozenset[str]:
        """Components that cannot be made of it and that a pipeline can do without."""
        return frozenset()

    def config(self, part: str) -> Mapping[str, Any]:
        """`config.json` (or `scheduler_config.json`) of a part.

        Raises:
            CheckpointError: The part is missing or its config cannot be read.
        """
        name = "scheduler_config.json" if part == "scheduler" else "config.json"
        return read_json(self.folder(part) / name)

    def network(self, part: str, kind: Any) -> Any:
        """A part's network, float32, in eval mode; see `load_network`."""
        return load_network(kind, self.folder(part))

    def folder(self, part: str) -> Path:
        """The folder of a part.

        Raises:
            CheckpointError: It is missing.
        """
        folder = self.root / part
        if not folder.is_dir():
            raise CheckpointError(
                f"The checkpoint {str(self.root)!r} has no folder {part!r}, which its model_index.json names.",
                remedy="Get the whole checkpoint again.",
            )
        return folder


def read_json(path: Path) -> Mapping[str, Any]:
    """A JSON object from a file of a checkpoint.

    Raises:
        CheckpointError: The file is missing or does not hold a JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"The checkpoint lacks {path.parent.name}/{path.name}.", remedy="Get the whole checkpoint again."
        ) from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{str(path)!r} is not JSON: {error}.", remedy="Get the file again.") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{str(path)!r} holds no JSON object.", remedy="Get the file again.")
    return value
