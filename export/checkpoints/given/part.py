"""A part of a model from a directory of a whole model, a directory of the part, or a `.safetensors` file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.directory.hub import local_or_hub
from latentlink.export.checkpoints.directory.json_file import read_json
from latentlink.export.checkpoints.directory.loading import load_network
from latentlink.export.checkpoints.directory.weights_files import WeightsFiles
from latentlink.export.checkpoints.given.slots import DENOISERS, slot_of
from latentlink.export.checkpoints.networks.assemble import assemble
from latentlink.export.checkpoints.networks.other_models import other_family, other_model
from latentlink.export.checkpoints.networks.part_names import option
from latentlink.export.checkpoints.single_file.clip import convert_unprojected_clip
from latentlink.export.checkpoints.single_file.family import Slot
from latentlink.export.checkpoints.single_file.header import TensorFile
from latentlink.export.checkpoints.single_file.recognise import find

FORMS = "Give a diffusers directory of a whole model, a directory of the part, or a .safetensors file of it."
PROJECTED = "CLIPTextModelWithProjection"
PROJECTIONS = ("text_projection.weight", "text_projection")

DEFAULT_SCALING = 0.18215
"""What a directory of an AutoencoderKL means that states no scaling factor: such are older than other scalings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenPart:
    """A part that the user gives.

    Args:
        name: The path or id of the Hub, as given, with its commit.
        cls: Name of its class.
        config: Its config, as `Checkpoint.config` returns it.
        files: The files with its weights.
        load: Makes the network, as `Checkpoint.network` does.
    """

    name: str
    cls: str
    config: Mapping[str, Any]
    files: tuple[Path, ...]
    load: Callable[[Any], Any]

    def origin(self) -> str:
        """Where it is from, with the SHA-256 of each file; reads the files."""
        hashes = []
        for path in self.files:
            with path.open("rb") as file:
                hashes.append(f"{path.name} sha256 {file_digest(file, 'sha256').hexdigest()}")
        return f"{self.name} ({', '.join(hashes)})"


def open_part(part: str, path: str | Path, denoiser: str | None) -> GivenPart:
    """Find a part; its weights are not read yet.

    Args:
        part: `vae`, `text_encoder`, `text_encoder_2` or `text_encoder_3`.
        path: A file or directory, or an id `org/name` of the Hub where no such path exists.
        denoiser: Class of the checkpoint's denoiser, which says what is expected.

    Raises:
        CheckpointError: There is no such part at `path`, or it is of another class.
    """
    slot = slot_of(part, denoiser)
    if slot is None and denoiser in DENOISERS:
        raise CheckpointError(
            f"A {part} was given, but models with a {denoiser} have none.", remedy=f"Leave {option(part)} out."
        )
    root, name, commit = local_or_hub(path)
    name = name if commit is None else f"{name}@{commit}"
    if root.is_dir():
        return _from_directory(part, root, name, slot)
    if root.is_file():
        return _from_file(part, root, name, slot)
    raise CheckpointError(f"There is no {part} at {str(path)!r}.", remedy=FORMS)


def _from_directory(part: str, root: Path, name: str, slot: Slot | None) -> GivenPart:
    folder = root / part if (root / part).is_dir() else root
    if not (folder / "config.json").is_file():
        held = ", ".join(sorted(path.parent.name for path in root.glob("*/config.json"))) or "no part"
        raise CheckpointError(f"{str(root)!r} was given for the {part}, but holds {held}.", remedy=FORMS)
    config = read_json(folder / "config.json")
    stated = config.get("_class_name") or config.get("architectures") or config.get("model_type")
    found = str(stated[0] if isinstance(stated, list) and stated else stated or "no class")
    cls = found if slot is None else slot.cls
    if not _is_kind_of(found, cls):
        raise CheckpointError(
            f"{str(folder)!r} was given for the {part}, but its config.json says {found}; expected {cls}.",
            remedy="Export a tiny VAE by itself, and use it with generate --replace vae_decoder=BUNDLE."
            if found == "AutoencoderTiny"
            else FORMS,
        )
    stem = "diffusion_pytorch_model" if "_class_name" in config else "model"
    weights = WeightsFiles.find(folder, stem)
    if cls == PROJECTED:
        _check_projection(part, repr(str(folder)), {tensor for names in weights.names.values() for tensor in names})
    # the config of a whole CLIP holds that of its text encoder
    own = config.get("text_config") if cls.startswith("CLIP") else None
    config = own if isinstance(own, dict) else config
    if cls == "AutoencoderKL":
        config = {"scaling_factor": DEFAULT_SCALING, **config}
    return GivenPart(
        name=name,
        cls=cls,
        config=config,
        files=tuple(sorted(weights.names)),
        load=lambda network: load_network(network, folder),
    )


def _is_kind_of(found: str, expected: str) -> bool:
    """Whether a folder of the class `found` holds a network that can be read as `expected`."""
    for kind in ("CLIP", "T5"):
        if expected.startswith(kind):
            return found.upper().startswith(kind)
    return found == expected


def _from_file(part: str, path: Path, name: str, slot: Slot | None) -> GivenPart:
    if slot is None:
        raise CheckpointError(
            f"{str(path)!r} was given for the {part}, but such files are known for other families only.",
            remedy="Give a directory of the part, which has its config.",
        )
    file = TensorFile.open(path)
    other = other_family(file.shapes)
    stored = None if other else find(file, slot)
    if stored is None:
        other = other or other_model(file.shapes)
        what = "something else" if other is None else other.what
        raise CheckpointError(
            f"{str(path)!r} was given for the {part}, but holds {what}; expected weights of {slot.cls}.",
            remedy=FORMS,
        )
    if slot.cls == PROJECTED and stored.layout.convert is not convert_unprojected_clip:
        _check_projection(part, repr(str(path)), file.under(stored.prefix, part).table.keys())
    return GivenPart(
        name=name,
        cls=slot.cls,
        config=stored.config,
        files=(path,),
        load=lambda network: assemble(
            network,
            stored.config,
            file.read(stored.prefix),
            lambda state, empty: stored.layout.convert(state, stored.config, empty),
            f"The {part} in {str(path)!r}",
            remedy="Get the whole file again.",
        ),
    )


def _check_projection(part: str, where: str, names: Collection[str]) -> None:
    if not any(name in names for name in PROJECTIONS):
        raise CheckpointError(
            f"{where} was given for the {part}, but has no text_projection; expected {PROJECTED}.",
            remedy="Give the text encoder with its projection, as it is published with this family.",
        )
