"""A diffusers directory: one folder per part, or one network alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.directory.beside import adapters_beside
from latentlink.export.checkpoints.directory.json_file import read_json
from latentlink.export.checkpoints.directory.loading import load_network
from latentlink.export.checkpoints.directory.tokenizer_folders import find_tokenizer, kind_of_class
from latentlink.export.checkpoints.networks.part_names import PARTS, TOKENIZERS, option

PART = re.compile(r"[a-z][a-z0-9_]*")

LIBRARIES = ("diffusers", "transformers")

# Classes of networks that are published alone, and the name of the part.
ALONE = {"AutoencoderKL": "vae", "AutoencoderTiny": "vae"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffusersDirectory:
    """A diffusers directory.

    Args:
        root: The directory.
        classes: Class name of every part that is present.
        index: The other entries of `model_index.json`.
        alone: Part that the directory itself is, if it holds no `model_index.json`.
        prediction: Prediction type named by the user, if any.
        tokenizers: Folder with a tokenizer from elsewhere, by part.
    """

    root: Path
    classes: Mapping[str, str]
    index: Mapping[str, Any] = field(default_factory=dict)
    alone: str | None = None
    prediction: str | None = None
    tokenizers: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def open(
        cls, root: Path, *, prediction: str | None = None, tokenizers: Mapping[str, Path] | None = None
    ) -> DiffusersDirectory:
        """Read the index of a directory.

        Args:
            root: The directory.
            prediction: Prediction type named by the user, if any.
            tokenizers: Folder with a tokenizer from elsewhere, by part.

        Raises:
            CheckpointError: The directory is not in diffusers' layout.
        """
        if (root / "model_index.json").is_file():
            index = read_json(root / "model_index.json")
            return cls(
                root=root,
                classes=_classes(index),
                index={key: value for key, value in index.items() if not isinstance(value, list)},
                prediction=prediction,
                tokenizers=tokenizers or {},
            )
        if (root / "config.json").is_file():
            name = read_json(root / "config.json").get("_class_name")
            if isinstance(name, str) and name in ALONE:
                return cls(root=root, classes={ALONE[name]: name}, alone=ALONE[name])
            # imports a large library, which only this message needs
            from latentlink.export.checkpoints.directory.model_library import library_of

            what = f"a model of {library_of(root) or 'an unknown library'}" if name is None else f"one {name}"
            raise CheckpointError(
                f"{str(root)!r} holds {what} and no model_index.json; expected a whole checkpoint or, alone, "
                f"one of: {', '.join(ALONE)}.",
                remedy="Give the directory above it if that holds model_index.json.",
            )
        raise CheckpointError(
            f"{str(root)!r} is not a diffusers checkpoint: expected a directory with model_index.json.",
            remedy="diffusers writes one with pipeline.save_pretrained(DIRECTORY).",
        )

    @property
    def absent(self) -> frozenset[str]:
        """Empty: every part in `model_index.json` must be present."""
        return frozenset()

    @property
    def notes(self) -> Mapping[str, str]:
        """That `model_index.json` and the scheduler's config name two classes, and what beside the parts is not read.

        Raises:
            CheckpointError: The scheduler's config cannot be read.
        """
        return {**self._scheduler_note(), **({} if self.alone else adapters_beside(self.root))}

    def _scheduler_note(self) -> Mapping[str, str]:
        if "scheduler" not in self.classes:
            return {}
        found, named = self._stated_scheduler().get("_class_name"), self.classes["scheduler"]
        if found == named:
            return {}
        says = "names no class" if found is None else f"says {found}"
        return {
            "scheduler": f"scheduler_config.json {says}; model_index.json says {named}, which is used, as by diffusers"
        }

    def config(self, part: str) -> Mapping[str, Any]:
        """`config.json` (or `scheduler_config.json`) of a part.

        The scheduler's class is that of `model_index.json`, whatever its own config says, as in diffusers.

        Raises:
            CheckpointError: The file is missing, cannot be read, or contradicts the user's option.
        """
        if part != "scheduler":
            return read_json(self._part(part) / "config.json")
        config = {**self._stated_scheduler(), "_class_name": self.classes[part]}
        if self.prediction is None:
            return config
        if str(config.get("_class_name")).startswith("FlowMatch"):
            raise CheckpointError(
                f"--prediction {self.prediction} was given, but the checkpoint's scheduler is of a model that predicts "
                "a flow.",
                remedy="Leave --prediction out.",
            )
        stated = config.get("prediction_type")
        if stated not in (None, self.prediction):
            raise CheckpointError(
                f"--prediction {self.prediction} was given, but the checkpoint's scheduler says {stated}.",
                remedy="Leave --prediction out, or correct prediction_type in scheduler/scheduler_config.json.",
            )
        return {**config, "prediction_type": self.prediction}

    def network(self, part: str, cls: Any) -> Any:
        """A part as a `cls` in float32 and eval mode.

        Raises:
            CheckpointError: There are no safetensors weights that fit its config.
        """
        return load_network(cls, self._part(part))

    def folder(self, part: str) -> Path:
        """The folder of a tokenizer: the one from elsewhere, else the checkpoint's.

        Raises:
            CheckpointError: The folder is missing.
        """
        if part not in self.tokenizers:
            return self._part(part)
        kind = kind_of_class(self.classes[part]) if part in self.classes else None
        return find_tokenizer(self.tokenizers[part], part, kind)

    def _stated_scheduler(self) -> Mapping[str, Any]:
        return read_json(self._part("scheduler") / "scheduler_config.json")

    def _part(self, part: str) -> Path:
        folder = self.root if part == self.alone else self.root / part
        if part not in self.classes or not folder.is_dir():
            named = "which its model_index.json names" if part in self.classes else "which this export needs"
            raise CheckpointError(
                f"The checkpoint {str(self.root)!r} has no folder {part!r}, {named}.",
                remedy=f"Get the whole checkpoint again{_or_give(part)}.",
            )
        return folder


def _or_give(part: str) -> str:
    return f", or give the part with {option(part)}" if part in (*PARTS, *TOKENIZERS) else ""


def _classes(index: Mapping[str, Any]) -> Mapping[str, str]:
    """Class names by part; one of another library, such as code beside the weights, keeps the library's name."""
    return {
        part: value[1] if value[0] in LIBRARIES else ".".join(value)
        for part, value in index.items()
        if PART.fullmatch(part)
        and isinstance(value, list)
        and len(value) == 2
        and all(isinstance(item, str) for item in value)
    }
