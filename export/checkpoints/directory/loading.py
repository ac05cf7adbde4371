"""Loading one network of a directory: its config and tensors are read here, and only they are given to its library."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.directory.json_file import read_json
from latentlink.export.checkpoints.directory.weights_files import WeightsFiles
from latentlink.export.checkpoints.networks.assemble import (
    ConvertedState,
    State,
    assemble,
    refuse_shapes,
    refuse_unused,
)
from latentlink.export.checkpoints.networks.making import UNBUILDABLE, arguments_of, outline, unbuildable
from latentlink.export.checkpoints.networks.weights import check_dtypes, refuse_names, to_float32

# Other parts of whole models that a text encoder is published in, and counts: without effect on what it computes.
BESIDE_AN_ENCODER = re.compile(
    r"(vision_model|visual_projection|decoder|lm_head)\.|logit_scale$|(.*\.)?embeddings\.position_ids$"
)
PROJECTION = "text_projection.weight"

# Prefixes that the libraries accept names with and without.
PREFIX = re.compile(r"^((clip|text_model|transformer)\.)+")
TWICE = "holds weights under two names"

# Keys of configs that say where weights are, or how they are stored.
ELSEWHERE: Mapping[str, str] = {
    "quantization_config": "quantised weights",
    "transformers_weights": "weights in another file",
}
REMEDY = "Get the folder again, or check that its config.json belongs to its weights."


def load_network(network: Any, folder: Path) -> Any:
    """Load a network in float32, in eval mode.

    Args:
        network: A class of diffusers or transformers.
        folder: Folder of the network in the checkpoint.

    Raises:
        CheckpointError: There are no safetensors weights that fit its config: all of them and no others, real and
            finite numbers.
    """
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    of_transformers.disable_progress_bar()
    of_diffusers.set_verbosity(of_diffusers.CRITICAL)
    of_transformers.set_verbosity(of_transformers.CRITICAL)
    config = _config(network, folder)
    if hasattr(network, "config_class"):
        return _of_transformers(network, config, folder)
    files, where = WeightsFiles.find(folder, "diffusion_pytorch_model"), repr(str(folder))
    return assemble(network, config, files.read(), partial(_renamed, where=where), where, remedy=REMEDY)


def _config(network: Any, folder: Path) -> Mapping[str, Any]:
    """`config.json` of a folder that holds a plain network of a class."""
    config = read_json(folder / "config.json")
    parts = [config, *(value for value in config.values() if isinstance(value, dict))]
    for key, what in ELSEWHERE.items():
        if any(part.get(key) is not None for part in parts):
            raise CheckpointError(
                f"{str(folder)!r} has {what} ({key} in its config.json); expected plain ones in the usual file.",
                remedy="Give the model that is not quantised, saved with save_pretrained(DIRECTORY).",
            )
    if (folder / "adapter_config.json").is_file():
        raise CheckpointError(
            f"{str(folder)!r} holds an adapter (adapter_config.json); expected a plain network.",
            remedy="Merge the adapter into the weights first, or remove it.",
        )
    name = config.get("_class_name", network.__name__)
    if name != network.__name__:
        raise CheckpointError(
            f"{str(folder)!r} holds a {name} by its config.json; expected a {network.__name__}.",
            remedy="Get the folder again, or check that model_index.json belongs to it.",
        )
    return config


def _renamed(state: State, empty: Any, where: str) -> ConvertedState:
    """Tensors of a network of diffusers, with the names of old releases replaced."""
    ignored = [re.compile(pattern) for pattern in empty._keys_to_ignore_on_load_unexpected or ()]
    wanted = empty.state_dict().keys()
    kept = {
        name: tensor
        for name, tensor in state.items()
        if name in wanted or not any(pattern.search(name) for pattern in ignored)
    }
    # which name becomes which
    origin = empty._fix_state_dict_keys_on_load({name: name for name in kept})
    refuse_names(where, TWICE, kept.keys() - {*origin.values()}, REMEDY)
    return ConvertedState(state={name: kept[stored] for name, stored in origin.items()})


def _of_transformers(network: Any, config: Mapping[str, Any], folder: Path) -> Any:
    """A text encoder: the library renames and ties its weights."""
    where = repr(str(folder))
    files = WeightsFiles.find(folder, "model")
    stored = frozenset[str]().union(*files.names.values())
    state = files.read(without=frozenset(filter(BESIDE_AN_ENCODER.match, stored)))
    check_dtypes(state, where)
    bare = Counter(PREFIX.sub("", name) for name in state)
    refuse_names(where, TWICE, [name for name, count in bare.items() if count > 1], REMEDY)
    outline(network, config, state, where, remedy=REMEDY)
    try:
        loaded, found = network.from_pretrained(
            None,
            config=network.config_class(**arguments_of(network, config)),
            state_dict=to_float32(state, where),
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except CheckpointError:
        raise
    except UNBUILDABLE as error:
        raise unbuildable(network, where, error, REMEDY) from None
    # the library fills missing weights with random numbers
    refuse_names(where, "lacks weights", found["missing_keys"], REMEDY)
    refuse_unused(network, where, {*found["unexpected_keys"]} - {PROJECTION})
    refuse_shapes(where, {name: (stored, wanted) for name, stored, wanted in found["mismatched_keys"]}, REMEDY)
    return loaded.eval()
