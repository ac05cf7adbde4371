"""The weights files of a network's folder: safetensors only, whole or in shards, in the highest precision."""

from __future__ import annotations

import json
from pathlib import Path

from latentlink.errors import CheckpointError

STEMS = ("diffusion_pytorch_model", "model")

# Precisions of the same weights, the highest first. Other variants (ema, non_ema) are other weights: the user has to
# choose between them.
VARIANTS = (None, "fp32", "fp16", "bf16")


def weights_variant(folder: Path) -> str | None:
    """The `variant` to load with diffusers or transformers; None for the plain files.

    Raises:
        CheckpointError: There are no such files, or an index names shards in another folder or format.
    """
    for variant in VARIANTS:
        for stem in STEMS:
            mark = "" if variant is None else f".{variant}"
            if (folder / f"{stem}{mark}.safetensors").is_file():
                return variant
            index = folder / f"{stem}.safetensors.index{mark}.json"
            if index.is_file():
                _check_shards(index)
                return variant
    found = ", ".join(sorted(path.name for path in folder.iterdir() if path.suffix != ".json")) or "none"
    raise CheckpointError(
        f"{str(folder)!r} holds no supported weights; expected {STEMS[0]}.safetensors or "
        f"{STEMS[1]}.safetensors, plain, fp16 or bf16, but the files are: {found[:200]}.",
        remedy="Pickled weights (.bin, .ckpt) are not read: convert them first. If there are ema and non_ema weights, "
        "rename the ones to use.",
    )


def _check_shards(index: Path) -> None:
    """Check that every shard is a safetensors file beside its index; names such as `../x` or `x.bin` are refused."""
    try:
        shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{str(index)!r} is not an index of shards: {error}.", remedy="Get it again.") from None
    for shard in shards:
        plain = isinstance(shard, str) and Path(shard).name == shard and shard.endswith(".safetensors")
        if not plain or not (index.parent / shard).is_file():
            raise CheckpointError(
                f"{str(index)!r} names the shard {shard!r}; expected a .safetensors file beside it.",
                remedy="Get the whole folder again.",
            )
