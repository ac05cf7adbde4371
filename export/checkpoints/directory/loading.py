"""Loading one network of a checkpoint, from safetensors only: pickled weights are not read, as they can run code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.directory.weights_files import weights_variant


def load_network(network: Any, folder: Path) -> Any:
    """Load a network in float32, in eval mode.

    Args:
        network: A class of diffusers or transformers with `from_pretrained`.
        folder: Folder of the network in the checkpoint.

    Raises:
        CheckpointError: There are no safetensors weights that fit its config.
    """
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    of_diffusers.disable_progress_bar()
    of_transformers.disable_progress_bar()
    of_diffusers.set_verbosity(of_diffusers.CRITICAL)
    of_transformers.set_verbosity(of_transformers.CRITICAL)
    variant = weights_variant(folder)
    try:
        loaded, found = network.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, variant=variant, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(
            f"{str(folder)!r} holds no {network.__name__} with safetensors weights: {reason[:300].rstrip('.')}.",
            remedy="Get the folder again; pickled weights (.bin, .ckpt) are not read, convert them first.",
        ) from None
    # the libraries fill missing weights with random numbers
    missing = sorted(found["missing_keys"])
    if missing:
        raise CheckpointError(
            f"{str(folder)!r} lacks {len(missing)} of the weights that {network.__name__} has, such as {missing[0]!r}.",
            remedy="Get the folder again, or check that its config.json belongs to its weights.",
        )
    return loaded.eval()
