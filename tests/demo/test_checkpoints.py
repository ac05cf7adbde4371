from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file

from latentlink.demo import NAMES, checkpoint
from latentlink.demo.check import check
from latentlink.demo.grammar import held_out

pytestmark = pytest.mark.skipif(
    not all(checkpoint(name).is_dir() for name in NAMES),
    reason="the demo checkpoints are not in this checkout",
)

CAPTIONS = 16


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_has_the_files_that_readers_of_any_age_expect(name: str) -> None:
    folder = checkpoint(name)
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))

    assert index["text_encoder"] == ["transformers", "CLIPTextModel"]
    assert index["tokenizer"] == ["transformers", "CLIPTokenizer"]
    assert {file.name for file in (folder / "tokenizer").iterdir()} >= {
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "vocab.json",
        "merges.txt",
    }
    text = load_file(folder / "text_encoder" / "model.safetensors")
    assert all(key.startswith("text_model.") for key in text)


@pytest.mark.parametrize("name", NAMES)
def test_all_weights_are_finite_float16(name: str) -> None:
    files = sorted(checkpoint(name).rglob("*.safetensors"))

    assert len(files) == 3
    for file in files:
        for key, value in load_file(file).items():
            assert value.dtype == np.float16, key
            assert np.isfinite(value).all(), key


@pytest.mark.parametrize("name", NAMES)
def test_a_pipeline_loaded_without_a_type_has_one_type_throughout(name: str) -> None:
    import diffusers

    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(checkpoint(name))

    assert {str(part.dtype) for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder)} == {"torch.float32"}


@pytest.mark.parametrize("name", NAMES)
def test_the_scheduler_a_pipeline_comes_with_clips_no_latents(name: str) -> None:
    path = checkpoint(name) / "scheduler" / "scheduler_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))

    assert (config["_class_name"], config["clip_sample"]) == ("DDIMScheduler", False)


def test_latents_are_alike_in_shape_and_unlike_in_scale() -> None:
    one, other = (_config(name, "vae") for name in NAMES)

    for field in ("latent_channels", "sample_size", "block_out_channels"):
        assert one[field] == other[field]
    assert abs(one["scaling_factor"] - other["scaling_factor"]) > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_held_out_captions_get_their_colours(name: str, latents_of: Callable[[str], NDArray[np.float32]]) -> None:
    from latentlink.demo.sampling import decode, load_pipeline

    asked = held_out()[:CAPTIONS]
    pictures = decode(load_pipeline(checkpoint(name)).vae, torch.from_numpy(latents_of(name)[:CAPTIONS]))
    right = sum(check(picture, scene).right for picture, scene in zip(pictures, asked, strict=True))

    # Of all 88, at least 90 % are right; two of sixteen leave room for other platforms' rounding.
    assert right >= CAPTIONS - 2


@pytest.mark.slow
def test_the_other_models_decoder_makes_something_else_and_a_transfer_does_not(
    latents_of: Callable[[str], NDArray[np.float32]],
) -> None:
    from latentlink.demo.sampling import decode, encode, load_pipeline
    from latentlink.engine.quality import psnr

    first, second = (load_pipeline(checkpoint(name)) for name in NAMES)
    latents = torch.from_numpy(latents_of(NAMES[0])[:8])
    right = decode(first.vae, latents)

    assert psnr(right, decode(second.vae, latents)) < 15
    assert psnr(right, decode(second.vae, encode(second.vae, right))) > 25


def _config(name: str, part: str) -> dict[str, Any]:
    path: Path = checkpoint(name) / part / "config.json"
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return config
