"""What recipes read in the configs of a checkpoint: defaults that follow from them, and what they refuse in them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from latentlink.bench.checkpoints import make_checkpoint
from latentlink.engine.bundle import Sampling
from latentlink.errors import CheckpointError
from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.parts import load_vae
from latentlink.export.recipes import find_recipe

Changed = Callable[..., Checkpoint]

LEFT_OUT = object()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    root = tmp_path_factory.mktemp("configs")
    return cache(lambda size: make_checkpoint(size, root / size))


@pytest.fixture
def changed(made: Callable[[str], Path], tmp_path: Path) -> Changed:
    """A checkpoint whose parts' configs say something else; a value of LEFT_OUT leaves a key out."""

    def change(size: str, **parts: dict[str, Any]) -> Checkpoint:
        shutil.copytree(made(size), tmp_path / size)
        for part, changes in parts.items():
            name = "scheduler_config.json" if part == "scheduler" else "config.json"
            config = tmp_path / size / part / name
            said = json.loads(config.read_text()) | changes
            config.write_text(json.dumps({key: value for key, value in said.items() if value is not LEFT_OUT}))
            if part == "scheduler" and "_class_name" in changes:
                change_index(tmp_path / size, scheduler=["diffusers", changes["_class_name"]])
        return Checkpoint.open(tmp_path / size, ExportOptions())

    return change


def change_index(root: Path, **entries: object) -> None:
    index = json.loads((root / "model_index.json").read_text()) | entries
    (root / "model_index.json").write_text(json.dumps(index))


def sampling(checkpoint: Checkpoint) -> Sampling:
    return Sampling.from_json(find_recipe(checkpoint, "auto")[1].sampling(checkpoint))


LCM = {"_class_name": "LCMScheduler"}


@pytest.mark.parametrize("size", ["tiny-sd1", "tiny-sdxl"])
def test_a_consistency_model_that_reads_no_guidance_is_not_guided(changed: Changed, size: str) -> None:
    defaults = sampling(changed(size, scheduler=LCM))
    assert (defaults.sampler, defaults.steps, defaults.guidance) == ("lcm", 4, 1.0)


TRAILING = {"timestep_spacing": "trailing"}


@pytest.mark.parametrize("why", [{"rescale_betas_zero_snr": True}, {"prediction_type": "v_prediction"}])
def test_trailing_spacing_is_no_sign_of_distillation_where_something_else_asks_for_it(
    changed: Changed, why: dict[str, Any]
) -> None:
    defaults = sampling(changed("tiny-sdxl", scheduler={**TRAILING, **why}))
    assert (defaults.steps, defaults.guidance) == (50, 5.0)


def test_a_size_may_be_height_and_width(changed: Changed) -> None:
    defaults = sampling(changed("tiny-sd1", unet={"sample_size": [32, 64]}))
    factor = defaults.width // 64
    assert (defaults.height, defaults.width) == (32 * factor, 64 * factor)


@pytest.mark.parametrize("size", [[64], ["64", "64"], "64", [64, 0]])
def test_a_size_that_is_none_is_refused(changed: Changed, size: object) -> None:
    with pytest.raises(CheckpointError, match=r"sample_size .*; expected a whole number"):
        sampling(changed("tiny-sd1", unet={"sample_size": size}))


@pytest.mark.parametrize(
    ("size", "config", "found"),
    [
        ("tiny-sd1", {"in_channels": 8}, "reads 8 channels, as for editing pictures; expected 4, .* or 9"),
        ("tiny-sd2", {"in_channels": 5}, "reads 5 channels, as for a depth condition; expected 4"),
        ("tiny-sdxl", {"in_channels": 7}, "reads 7 channels; expected 4"),
        ("tiny-sdxl-refiner", {"in_channels": 9}, "reads 9 channels; expected 4, those of the VAE's latent\\."),
        (
            "tiny-sd1",
            {"class_embed_type": "timestep"},
            "class_embed_type 'timestep'; expected .* without class",
        ),
        ("tiny-sd1", {"num_class_embeds": 1000}, "num_class_embeds 1000; expected .* without class"),
    ],
)
def test_a_unet_that_reads_what_no_port_carries_is_refused(
    changed: Changed, size: str, config: dict[str, Any], found: str
) -> None:
    with pytest.raises(CheckpointError, match=found):
        sampling(changed(size, unet=config))


@pytest.mark.parametrize("size", ["tiny-sd1", "tiny-sdxl", "tiny-sd3", "tiny-flux-dev"])
@pytest.mark.parametrize("config", [{"block_out_channels": []}, {"latent_channels": "4"}])
def test_a_vae_without_a_layout_is_refused(changed: Changed, size: str, config: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=r"VAE's config has block_out_channels .* and latent_channels"):
        sampling(changed(size, vae=config))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"latents_mean": 5}, "latents_mean 5; expected 4 numbers"),
        ({"latents_std": [1.0]}, r"latents_std \[1.0\]; expected 4 numbers"),
        ({"scaling_factor": "0.2"}, "scaling_factor '0.2'; expected a number"),
        ({"latent_channels": 0}, "latent_channels 0; expected"),
    ],
)
def test_a_vaes_affine_is_checked_before_its_network_is_made(
    changed: Changed, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], said: str
) -> None:
    checkpoint = changed("tiny-sd1", vae=config)
    monkeypatch.setattr(Checkpoint, "network", None)
    with pytest.raises(CheckpointError, match=said):
        load_vae(checkpoint, ExportOptions(), candidate=None)
