"""A single file as a checkpoint: configs from evidence, converted networks, tokenizers from another place."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.directory.tokenizer_folders import (
    cached_tokenizer,
    find_tokenizer,
    kind_of_class,
    pad_token,
    with_pad_token,
)
from latentlink.export.checkpoints.networks.assemble import assemble
from latentlink.export.checkpoints.networks.part_names import option
from latentlink.export.checkpoints.single_file.family import FLOW, Family
from latentlink.export.checkpoints.single_file.header import TensorFile
from latentlink.export.checkpoints.single_file.prediction import find_prediction, zero_snr
from latentlink.export.checkpoints.single_file.recognise import Contents, StoredPart, recognise


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleFile:
    """A single file.

    Args:
        file: Header of the file.
        contents: Parts that it holds.
        prediction: Prediction type of its denoiser; None for a VAE alone.
        tokenizers: Folder with a tokenizer from elsewhere, by part.
    """

    file: TensorFile
    contents: Contents
    prediction: str | None
    tokenizers: Mapping[str, Path] = field(default_factory=dict)
    _scratch: list[TemporaryDirectory[str]] = field(default_factory=list, repr=False, compare=False)

    @property
    def absent(self) -> frozenset[str]:
        """Empty: every part that the family needs must be present."""
        return frozenset()

    @property
    def notes(self) -> Mapping[str, str]:
        """Empty: its configs are derived, and do not contradict each other."""
        return {}

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        prediction: str | None = None,
        tokenizers: Mapping[str, Path] | None = None,
        given: Collection[str] = (),
    ) -> SingleFile:
        """Recognise the contents of a file.

        Args:
            path: The file.
            prediction: Prediction type named by the user, if any.
            tokenizers: Folder with a tokenizer from elsewhere, by part.
            given: Parts that are taken from elsewhere.

        Raises:
            CheckpointError: The file is not safetensors, its model is unknown, or its evidence does not suffice.
        """
        file = TensorFile.open(path)
        contents = recognise(file, given)
        found = None if contents.family is None else find_prediction(file, contents.family, prediction)
        return cls(file=file, contents=contents, prediction=found, tokenizers=tokenizers or {})

    @property
    def classes(self) -> Mapping[str, str]:
        """Class name of every part, including the family's scheduler and tokenizers."""
        classes = {part: found.cls for part, found in self.contents.parts.items()}
        if (family := self.contents.family) is not None:
            classes |= {part: cls for part, (cls, _) in family.tokenizers.items()}
            classes["scheduler"] = self._scheduler(family)["_class_name"]
        return classes

    @property
    def index(self) -> Mapping[str, Any]:
        """The other entries of the family's published `model_index.json`."""
        return {} if self.contents.family is None else self.contents.family.index

    def config(self, part: str) -> Mapping[str, Any]:
        """The config of a part, inferred from shapes, keys and the user's options.

        Raises:
            CheckpointError: The file does not hold the part.
        """
        family = self.contents.family
        if part == "scheduler" and family is not None:
            return self._scheduler(family)
        config = self._found(part).config
        if family is None or part != family.denoiser.part or self.prediction is None:
            return config
        side = family.training[self.prediction].sample_size
        return config if side is None else {**config, "sample_size": side}

    def network(self, part: str, cls: Any) -> Any:
        """A part as a `cls` in float32 and eval mode.

        Raises:
            CheckpointError: The file does not hold the part, or not as a `cls`.
        """
        found = self._found(part)
        return assemble(
            cls,
            self.config(part),
            self.file.read(found.prefix),
            lambda stored, network: found.layout.convert(stored, found.config, network),
            self.file.under(found.prefix, part).where,
            remedy="Get the whole file again, or give a diffusers directory.",
        )

    def folder(self, part: str) -> Path:
        """A folder with the files of a tokenizer: the user's, else one from the Hub's local cache.

        Raises:
            CheckpointError: There is none.
        """
        family = self.contents.family
        if family is None or part not in family.tokenizers:
            raise self._lacks(part)
        cls, pad = family.tokenizers[part]
        kind = kind_of_class(cls)
        where = self.tokenizers.get(part)
        folder = cached_tokenizer(part, kind) if where is None else find_tokenizer(where, part, kind)
        if pad is None or pad_token(folder) == pad:
            return folder
        # several encoders share a vocabulary, but were trained with different padding tokens
        self._scratch.append(TemporaryDirectory(prefix="latentlink-"))
        return with_pad_token(folder, pad, Path(self._scratch[-1].name))

    def _scheduler(self, family: Family) -> dict[str, Any]:
        predicts = str(self.prediction)
        config = dict(family.training[predicts].scheduler)
        if predicts != FLOW:
            config["prediction_type"] = predicts
        if zero_snr(self.file):
            # sampling must then begin at the last timestep, which leading spacing leaves out
            config |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
        return config

    def _found(self, part: str) -> StoredPart:
        if part not in self.contents.parts:
            raise self._lacks(part)
        return self.contents.parts[part]

    def _lacks(self, part: str) -> CheckpointError:
        return CheckpointError(
            f"{str(self.file.path)!r} holds no {part}; it holds {', '.join(self.contents.parts)}.",
            remedy=f"Give it with {option(part)}, or give a file or directory of the whole model.",
        )
