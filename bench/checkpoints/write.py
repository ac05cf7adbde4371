"""Writing a checkpoint from its description."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from latentlink.bench.checkpoints.specs import CONFIGS, CheckpointSpec, NetworkSpec
from latentlink.bench.checkpoints.tokenizers import write_json, write_tokenizer
from latentlink.bench.checkpoints.weights import fill


def write_checkpoint(checkpoint: CheckpointSpec, out: Path, *, seed: int, dtype: str) -> None:
    """Write a diffusers directory, one network after the other, so that only one is in memory.

    Args:
        checkpoint: Description of the checkpoint.
        out: Directory to make.
        seed: Seed of the weights.
        dtype: Dtype of the weights: `float32`, or `float16` for half the disk space.
    """
    import diffusers

    for name, network in checkpoint.networks.items():
        if network is not None:
            _write_network(network, out / name, seed=seed, dtype=dtype)
    for name, tokenizer in checkpoint.tokenizers.items():
        if tokenizer is not None:
            write_tokenizer(out / name, tokenizer)
    (out / "scheduler").mkdir()
    write_json(out / "scheduler" / "scheduler_config.json", checkpoint.scheduler)
    # pipelines read the version: some correct the configs of old ones
    write_json(out / "model_index.json", {**checkpoint.index(), "_diffusers_version": diffusers.__version__})


def _write_network(network: NetworkSpec, folder: Path, *, seed: int, dtype: str) -> None:
    import torch

    # The meta device avoids initialising weights that are replaced; only stored buffers have to be computed.
    with torch.device("meta"):
        module = _make_network(network)
    if set(module.state_dict()) - {name for name, _ in module.named_parameters(remove_duplicate=False)}:
        module = _make_network(network)
    fill(module, network.weights, seed=seed, dtype=getattr(torch, dtype))
    if network.kind == "CLIPTextModel":
        # as in published files; transformers 5 would leave out the prefix, which not all readers support
        named = {f"text_model.{name}": tensor for name, tensor in module.state_dict().items()}
        module.save_pretrained(folder, state_dict=named)
    else:
        module.save_pretrained(folder)
    if network.absent:
        path = folder / "config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        write_json(path, {key: value for key, value in config.items() if key not in network.absent})


def _make_network(network: NetworkSpec) -> Any:
    import diffusers
    import transformers

    if network.kind in CONFIGS:
        config = getattr(transformers, CONFIGS[network.kind])(**network.config)
        return getattr(transformers, network.kind)(config)
    return getattr(diffusers, network.kind)(**network.config)
