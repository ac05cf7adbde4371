"""The weights files of a network's folder: safetensors only, whole or in shards, in the highest precision.

The libraries look files up by rules of their own and in another order each, so what they would find is not necessarily
what was checked. Here the files are found once, and the libraries are given tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.directory.json_file import read_json
from latentlink.export.checkpoints.networks.safetensors_file import read_header, read_tensors
from latentlink.export.checkpoints.networks.weights import refuse_names

# Precisions of the same weights, the highest first. Other variants (ema, non_ema) are other weights: the user has to
# choose between them.
VARIANTS = ("", ".fp32", ".fp16", ".bf16")

WHOLE = "Get the whole folder again."


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsFiles:
    """The files that hold a network's weights.

    Args:
        names: Names of the tensors by file.
    """

    names: Mapping[Path, frozenset[str]]

    @classmethod
    def find(cls, folder: Path, stem: str) -> WeightsFiles:
        """Find the weights in a folder and check that the files agree about what is in which.

        Links are followed, as the Hub's cache consists of them; whatever they lead to must be safetensors.

        Args:
            folder: Folder of the network.
            stem: `diffusion_pytorch_model` or `model`, by the library.

        Raises:
            CheckpointError: There are no weights, or several of one precision; or an index names other files than
                safetensors beside it, or other tensors than they hold.
        """
        for variant in VARIANTS:
            whole = folder / f"{stem}{variant}.safetensors"
            # diffusers before 0.31 wrote the second name
            indices = {
                folder / f"{stem}.safetensors.index{variant}.json",
                folder / f"{stem}.safetensors{variant}.index.json",
            }
            found = [path for path in (whole, *sorted(indices)) if path.is_file()]
            if len(found) > 1:
                raise CheckpointError(
                    f"{str(folder)!r} holds weights several times, {' and '.join(path.name for path in found)}; "
                    "expected one whole file, or one index of shards.",
                    remedy="Remove what is left over; the libraries differ in which they read.",
                )
            if found:
                return cls(names=_whole(whole) if found == [whole] else _shards(found[0]))
        others = ", ".join(sorted(path.name for path in folder.iterdir() if path.suffix != ".json")) or "none"
        raise CheckpointError(
            f"{str(folder)!r} holds no supported weights; expected {stem}.safetensors, plain, fp16 or bf16, but the "
            f"files are: {others[:200]}.",
            remedy="Pickled weights (.bin) are not read; diffusers converts a whole checkpoint, in Python: from "
            'diffusers import DiffusionPipeline; DiffusionPipeline.from_pretrained("DIR").save_pretrained("NEW"). If '
            "there are ema and non_ema weights, rename the ones to use.",
        )

    def read(self, without: frozenset[str] = frozenset()) -> dict[str, Tensor]:
        """The tensors in the files' dtypes.

        Args:
            without: Names of tensors that are not needed.

        Raises:
            CheckpointError: A file has changed since it was found, or torch cannot hold its tensors.
        """
        return {
            name: tensor
            for path, names in self.names.items()
            for name, tensor in read_tensors(path, sorted(names - without)).items()
        }


def _whole(path: Path) -> Mapping[Path, frozenset[str]]:
    return {path: frozenset(read_header(path)[0])}


def _shards(index: Path) -> Mapping[Path, frozenset[str]]:
    """The shards of an index; names such as `../x` or `x.bin` are refused, and tensors that the index does not know."""
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(
            f"{str(index)!r} is not an index of shards: it has no weight_map.", remedy="Get the file again."
        )
    given: dict[Path, set[str]] = {}
    for name, shard in weight_map.items():
        plain = isinstance(shard, str) and Path(shard).name == shard and shard.endswith(".safetensors")
        if not plain or not (index.parent / shard).is_file():
            raise CheckpointError(
                f"{str(index)!r} names the shard {shard!r}; expected a .safetensors file beside it.", remedy=WHOLE
            )
        given.setdefault(index.parent / shard, set()).add(name)
    for path, names in given.items():
        held = read_header(path)[0].keys()
        refuse_names(repr(str(path)), f"lacks tensors that {index.name} says it holds", names - held, WHOLE)
        refuse_names(repr(str(path)), f"holds tensors that {index.name} does not give to it", held - names, WHOLE)
    return {path: frozenset(names) for path, names in given.items()}
