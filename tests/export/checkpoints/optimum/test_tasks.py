"""What Optimum says of a model: library and task."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.directory.model_library import library_of
from latentlink.export.checkpoints.optimum.tasks import check_task, task_of


def test_the_library_is_seen_from_the_files(tiny: Path, tmp_path: Path) -> None:
    assert library_of(tiny) == "diffusers"
    assert library_of(tiny / "text_encoder") == "transformers"
    assert library_of(tmp_path) is None


@pytest.mark.parametrize(
    ("pipeline", "task"),
    [
        ("StableDiffusionPipeline", "text-to-image"),
        ("StableDiffusionInpaintPipeline", "inpainting"),
        ("StableDiffusionXLImg2ImgPipeline", "image-to-image"),
        ("FluxPipeline", "text-to-image"),
        ("AudioLDMPipeline", None),
        ("NoSuchPipeline", None),
    ],
)
def test_the_task_is_that_of_the_pipelines_class(pipeline: str, task: str | None) -> None:
    assert task_of(pipeline) == task


def test_a_task_that_the_pipeline_does_not_do_is_refused(tiny: Path, tmp_path: Path) -> None:
    for task in ("text-to-image", "image-to-image", "inpainting"):
        check_task(tiny, task)
    other = tmp_path / "inpaint"
    other.mkdir()
    shutil.copy(tiny / "model_index.json", other)
    index = json.loads((other / "model_index.json").read_text())
    for pipeline, does in (("StableDiffusionInpaintPipeline", "does inpainting"), ("AudioLDMPipeline", "has no task")):
        (other / "model_index.json").write_text(json.dumps(index | {"_class_name": pipeline}))
        with pytest.raises(CheckpointError, match=f"is a {pipeline}, which .*{does}.*--task text-to-image"):
            check_task(other, "text-to-image")
