"""A checkpoint in any form: its parts, and the evidence it gives about itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.directory.hub import local_or_hub
from latentlink.export.checkpoints.directory.source import DiffusersDirectory
from latentlink.export.checkpoints.given.fit import refuse_misfits
from latentlink.export.checkpoints.given.part import GivenPart, open_part
from latentlink.export.checkpoints.networks.part_names import PARTS, TOKENIZERS, option
from latentlink.export.checkpoints.optimum.source import OptimumDirectory, is_optimum_directory
from latentlink.export.checkpoints.options import ExportOptions
from latentlink.export.checkpoints.single_file.source import SingleFile
from latentlink.export.checkpoints.taesd import TaesdFiles
from latentlink.export.configs import CORRECTIONS, check_types, with_defaults


class Source(Protocol):
    """One form of checkpoints."""

    @property
    def classes(self) -> Mapping[str, str]:
        """Class name of every part that is present."""

    @property
    def index(self) -> Mapping[str, Any]:
        """The other entries of `model_index.json`, such as `force_zeros_for_empty_prompt`."""

    @property
    def absent(self) -> frozenset[str]:
        """Components that cannot be made from it and that a pipeline can do without."""

    @property
    def notes(self) -> Mapping[str, str]:
        """By name, what in it contradicts itself and how it is read."""

    def config(self, part: str) -> Mapping[str, Any]:
        """The config of a part, without class defaults."""

    def network(self, part: str, cls: Any) -> Any:
        """A part as a `cls` in float32 and eval mode."""

    def folder(self, part: str) -> Path:
        """The folder with the files of a tokenizer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A diffusers directory, a model of the Hub, a single `.safetensors` file, or graphs that Optimum exported.

    Args:
        root: The directory or file.
        name: Name of the file or directory, or id of the model of the Hub.
        source: Reader for its form.
        commit: Commit of a model of the Hub.
        corrected: By part, values that are used instead of outdated ones, see `as_read_by`.
        corrections: By name, what was corrected.
        given: Parts that the user gives, which are used instead of its own.
    """

    root: Path
    name: str
    source: Source
    commit: str | None = None
    corrected: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    corrections: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, GivenPart] = field(default_factory=dict)

    @classmethod
    def open(cls, path: str | Path, options: ExportOptions) -> Checkpoint:
        """Read the contents of a checkpoint; weights are not read yet.

        Args:
            path: A file or directory, or an id `org/name` of the Hub where no such path exists.
            options: Answers for what the checkpoint does not say: prediction type, tokenizers.

        Raises:
            CheckpointError: There is no checkpoint at `path`, or its evidence does not suffice.
        """
        root, name, commit = local_or_hub(path)
        parts = {part: options.parts[part] for part in PARTS if part in options.parts}
        tokenizers = _tokenizers(options)
        source: Source
        if (tiny := TaesdFiles.find(root)) is not None:
            source = tiny
        elif root.is_file():
            source = SingleFile.open(root, prediction=options.prediction, tokenizers=tokenizers, given=parts)
        elif is_optimum_directory(root):
            source = OptimumDirectory.open(
                root,
                dtype=options.dtype,
                names_space=options.space is not None,
                prediction=options.prediction,
                tokenizers=tokenizers,
            )
        elif root.is_dir():
            source = DiffusersDirectory.open(root, prediction=options.prediction, tokenizers=tokenizers)
        else:
            raise CheckpointError(
                f"There is no checkpoint at {str(path)!r}.",
                remedy="Give a diffusers directory (it holds model_index.json), a .safetensors file, or the id of a "
                "model of the Hub.",
            )
        _refuse_needless(source, options, str(path))
        denoiser = next((source.classes[part] for part in ("unet", "transformer") if part in source.classes), None)
        given = {part: open_part(part, where, denoiser) for part, where in parts.items()}
        checkpoint = cls(root=root, name=name, source=source, commit=commit, given=given)
        refuse_misfits(checkpoint.classes, checkpoint.settings, given)
        return checkpoint

    @property
    def label(self) -> str:
        """The checkpoint's name as a valid name of a space or bundle: lower case, words joined by '-'."""
        bare = self.name.split("/")[-1].removesuffix(".safetensors")
        return re.sub(r"[^a-z0-9]+", "-", bare.lower()).strip("-")[:48].strip("-") or "model"

    @property
    def classes(self) -> Mapping[str, str]:
        """Class name of every part that is present, by its name in `model_index.json`."""
        return {**self.source.classes, **{part: given.cls for part, given in self.given.items()}}

    def origins(self) -> Mapping[str, str]:
        """By part that the user gives: where it is from, with hashes; reads all its files."""
        return {part: f"the {part} is from {given.origin()}" for part, given in self.given.items()}

    @property
    def index(self) -> Mapping[str, Any]:
        """The other entries of `model_index.json`; for a single file, those of the family's published one."""
        return self.source.index

    @property
    def absent(self) -> frozenset[str]:
        """Components that cannot be made from it and that a pipeline can do without."""
        return self.source.absent

    @property
    def as_graphs(self) -> bool:
        """Whether its networks are ONNX graphs, whose layers are fixed."""
        return isinstance(self.source, OptimumDirectory)

    def config(self, part: str) -> Mapping[str, Any]:
        """The config of a part as the checkpoint states it, without class defaults.

        For a single file it is inferred from shapes, keys and the user's answers. Values that were outdated are those
        that the family's pipeline corrects them to.

        Raises:
            CheckpointError: The part is missing or its config cannot be read, or a value has another type than the
                part's class declares.
        """
        stated = self.given[part].config if part in self.given else self.source.config(part)
        remedy = "Get the checkpoint again, or correct the config."
        check_types(self.classes.get(part, ""), stated, what=part, remedy=remedy)
        return {**stated, **self.corrected.get(part, {})}

    def settings(self, part: str) -> Mapping[str, Any]:
        """The config of a part with the defaults of its class for what the checkpoint leaves out.

        Raises:
            CheckpointError: The part is missing or its config cannot be read.
        """
        config = self.config(part)
        return with_defaults(self.classes[part], config)

    def as_read_by(self, pipeline: str) -> Checkpoint:
        """The checkpoint as a pipeline class of diffusers reads it, which may correct outdated values.

        Args:
            pipeline: Name of the class.

        Raises:
            CheckpointError: A part is missing or its config cannot be read.
        """
        corrected = {part: dict(values) for part, values in self.corrected.items()}
        notes = dict(self.corrections)
        for correction in CORRECTIONS.get(pipeline, ()):
            part, key, settings = correction.part, correction.key, self.settings(correction.part)
            if correction.outdated(settings):
                corrected.setdefault(part, {})[key] = correction.value
                stated = key in self.config(part)
                found = f"{key} {settings[key]!r}" if stated else f"the absence of {key} (so {settings[key]!r})"
                notes[f"{part}.{key}"] = (
                    f"{found} in the config of the {part} is outdated; {correction.value!r} is used, as by {pipeline} "
                    "of diffusers"
                )
        return replace(self, corrected=corrected, corrections=notes)

    @property
    def notes(self) -> Mapping[str, str]:
        """By name, what in its configs was outdated or contradicts itself, and how it is read."""
        return {**self.source.notes, **self.corrections}

    def network(self, part: str, cls: Any) -> Any:
        """A part in float32 and eval mode, with all its weights from the checkpoint.

        Args:
            part: Name of the part in `model_index.json`.
            cls: Class of diffusers or transformers.

        Raises:
            CheckpointError: The part is missing, or its weights do not fit `cls`.
        """
        return self.given[part].load(cls) if part in self.given else self.source.network(part, cls)

    def folder(self, part: str) -> Path:
        """The folder with the files of a tokenizer; it exists as long as the checkpoint object.

        Raises:
            CheckpointError: There is none.
        """
        return self.source.folder(part)


def _refuse_needless(source: Source, options: ExportOptions, path: str) -> None:
    """Refuse options that do not apply to this form of checkpoint or to a VAE alone.

    Raises:
        CheckpointError: There is one.
    """
    parts = [option(part) for part in options.parts]
    asked = ["--prediction"] if options.prediction is not None else []
    asked += ["--tokenizer"] if options.tokenizer is not None else []
    if {*source.classes} == {"vae"} and (needless := [*asked, *parts]):
        raise CheckpointError(
            f"{needless[0]} was given, but {path!r} holds a VAE alone.", remedy=f"Leave {needless[0]} out."
        )
    if isinstance(source, OptimumDirectory) and any(part in options.parts for part in PARTS):
        raise CheckpointError(
            f"{parts[0]} was given, but {path!r} holds graphs of Optimum, which no weights can be added to.",
            remedy="Export from the checkpoint's own weights.",
        )


def _tokenizers(options: ExportOptions) -> Mapping[str, Path]:
    """Folder by tokenizer: the user's own, that of all, or the directory that its text encoder is taken from."""
    found: dict[str, Path] = {}
    for part in TOKENIZERS:
        encoder = options.parts.get(part.replace("tokenizer", "text_encoder"))
        if part in options.parts:
            found[part] = Path(options.parts[part])
        elif options.tokenizer is not None:
            found[part] = options.tokenizer
        elif encoder is not None and (folder := local_or_hub(encoder)[0] / part).is_dir():
            found[part] = folder
    return found
