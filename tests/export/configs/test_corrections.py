"""Given an outdated config, when a pipeline of diffusers and a recipe read it, then both correct the same values."""

from __future__ import annotations

import inspect
import json
import shutil
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

from latentlink.bench.checkpoints import make_checkpoint
from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.configs import CORRECTIONS
from latentlink.export.recipes import RECIPES, find_recipe

Made = Callable[[str], Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    root = tmp_path_factory.mktemp("corrections")
    return cache(lambda size: make_checkpoint(size, root / size))


def checkpoint_with(
    folder: Path, out: Path, *, scheduler: dict[str, Any] | None = None, unet: dict[str, Any] | None = None
) -> Checkpoint:
    """A copy whose scheduler config is `scheduler`, and whose UNet's config has these changes."""
    shutil.copytree(folder, out)
    if scheduler is not None:
        (out / "scheduler/scheduler_config.json").write_text(json.dumps(scheduler))
        index = json.loads((out / "model_index.json").read_text())
        index["scheduler"] = ["diffusers", scheduler["_class_name"]]
        (out / "model_index.json").write_text(json.dumps(index))
    path = out / "unet/config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | (unet or {})))
    return Checkpoint.open(out, ExportOptions())


def as_diffusers(pipeline: str, checkpoint: Checkpoint) -> tuple[Any, Any]:
    """The configs of the scheduler and the UNet after the pipeline's constructor."""
    kind = getattr(diffusers, checkpoint.classes["scheduler"])
    scheduler = kind.from_config(checkpoint.source.config("scheduler"))
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        unet = diffusers.UNet2DConditionModel.from_config(checkpoint.source.config("unet"))
        made = getattr(diffusers, pipeline)(
            vae=None,
            text_encoder=None,
            tokenizer=None,
            unet=unet,
            scheduler=scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    return made.scheduler.config, made.unet.config


BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
SCHEDULERS: list[dict[str, Any]] = [
    {"_class_name": "PNDMScheduler"},
    {"_class_name": "PNDMScheduler", "skip_prk_steps": True, "steps_offset": 0, "clip_sample": True},
    {"_class_name": "DDIMScheduler"},
    {"_class_name": "DDIMScheduler", "clip_sample": False, "steps_offset": 2},
    {"_class_name": "DDIMScheduler", "clip_sample": None, "steps_offset": None},
    {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "leading"},
    {"_class_name": "DPMSolverMultistepScheduler", "steps_offset": 1},
    {"_class_name": "DPMSolverSinglestepScheduler"},
    {"_class_name": "LCMScheduler", "clip_sample": True},
]
UNETS: list[dict[str, Any]] = [
    {"sample_size": 32, "_diffusers_version": "0.6.0"},
    {"sample_size": 64, "_diffusers_version": "0.6.0"},
    {"sample_size": 32, "_diffusers_version": "0.8.1.dev0"},
    {"sample_size": 32, "_diffusers_version": "0.9.0.dev0"},
    {"sample_size": 32, "_diffusers_version": "0.10.2"},
    {"sample_size": 32, "_diffusers_version": "1.0.0"},
    {"sample_size": 96, "_diffusers_version": "0.2.0"},
]
CASES: list[tuple[dict[str, Any] | None, dict[str, Any]]] = [
    ({**BETAS, **scheduler}, {}) for scheduler in SCHEDULERS
] + [(None, unet) for unet in UNETS]


@pytest.mark.parametrize("pipeline", [*CORRECTIONS, "LatentConsistencyModelPipeline"])
@pytest.mark.parametrize(("scheduler", "unet"), CASES)
def test_a_pipelines_constructor_and_ours_leave_the_same_configs(
    made: Made, tmp_path: Path, pipeline: str, scheduler: dict[str, Any] | None, unet: dict[str, Any]
) -> None:
    checkpoint = checkpoint_with(made("tiny-sd1"), tmp_path / "made", scheduler=scheduler, unet=unet)
    theirs = as_diffusers(pipeline, checkpoint)
    ours = checkpoint.as_read_by(pipeline)
    for part, config in zip(("scheduler", "unet"), theirs, strict=True):
        read = ours.settings(part)
        for key in ("steps_offset", "clip_sample", "skip_prk_steps", "sample_size"):
            # a null is false to diffusers where it is read
            assert (read.get(key) or False) == (config.get(key) or False), key


def test_no_pipeline_but_these_corrects_configs() -> None:
    for name in {name for recipe in RECIPES.values() for name in recipe.pipelines}:
        source = Path(inspect.getfile(getattr(diffusers, name))).read_text(encoding="utf-8")
        assert ("_internal_dict = " in source) == (name in CORRECTIONS), name


def sampling(checkpoint: Checkpoint) -> Any:
    return find_recipe(checkpoint, "auto")[1].sampling(checkpoint)


def test_a_recipe_reads_corrected_configs_and_says_so(made: Made, tmp_path: Path) -> None:
    outdated = {**BETAS, "_class_name": "DDIMScheduler"}
    checkpoint = checkpoint_with(made("tiny-sd1"), tmp_path / "made", scheduler=outdated, unet=UNETS[0])
    found = sampling(checkpoint)
    assert (found["schedule"]["steps_offset"], found["sampler"]) == (1, "ddim")
    factor = found["size_multiple"]  # of this UNet, the VAE's
    assert (found["width"], found["height"]) == (64 * factor, 64 * factor)
    notes = find_recipe(checkpoint, "auto")[1].notes(checkpoint)
    expected = "the absence of steps_offset (so 0) in the config of the scheduler is outdated; 1 is"
    assert notes["scheduler.steps_offset"].startswith(expected)
    assert {*notes} == {"scheduler.steps_offset", "scheduler.clip_sample", "unet.sample_size"}


def test_an_inpainting_models_pipeline_corrects_other_values(made: Made, tmp_path: Path) -> None:
    config = {**BETAS, "_class_name": "PNDMScheduler"}
    checkpoint = checkpoint_with(made("tiny-sd1-inpaint"), tmp_path / "made", scheduler=config)
    assert {*find_recipe(checkpoint, "auto")[1].notes(checkpoint)} == {
        "scheduler.steps_offset",
        "scheduler.skip_prk_steps",
    }
    assert sampling(checkpoint)["sampler"] == "pndm"


@pytest.mark.parametrize("size", ["tiny-sd1", "tiny-sd2", "tiny-sdxl", "tiny-lcm", "tiny-sd3", "tiny-flux-dev"])
def test_nothing_is_said_of_a_published_config(made: Made, size: str) -> None:
    checkpoint = Checkpoint.open(made(size), ExportOptions())
    assert find_recipe(checkpoint, "auto")[1].notes(checkpoint) == {}


def test_a_family_whose_pipelines_correct_nothing_is_left_as_it_is(made: Made, tmp_path: Path) -> None:
    config = {**BETAS, "_class_name": "EulerDiscreteScheduler", "timestep_spacing": "leading"}
    found = sampling(checkpoint_with(made("tiny-sdxl"), tmp_path / "made", scheduler=config))
    assert found["schedule"].get("steps_offset", 0) == 0
