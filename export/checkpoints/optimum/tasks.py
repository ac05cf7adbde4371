"""The task of a pipeline, as Optimum knows it.

This is the part of Optimum's inference that fits. Its task of a local directory is not implemented there, so the
task comes from the pipeline's class. Families, latent spaces and prediction types it does not know at all. Its dummy
inputs are made at one square size, with values of no use to a denoiser (a timestep below the number of norm groups),
so components are compared on their ports' own examples; the tests make plain graphs with Optimum's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.directory.json_file import read_json

SERVES: Mapping[str, tuple[str, ...]] = {
    "text-to-image": ("text-to-image", "image-to-image", "inpainting"),
    "image-to-image": ("image-to-image", "inpainting"),
    "inpainting": ("inpainting",),
}
"""Tasks that the components of a checkpoint can do, by the task of its own pipeline."""


def task_of(pipeline: str) -> str | None:
    """The task of a pipeline class of diffusers, such as `text-to-image`, or None where Optimum knows none."""
    import diffusers
    from optimum.exporters.tasks import TasksManager

    try:
        return str(TasksManager.infer_task_from_model(getattr(diffusers, pipeline)))
    except (AttributeError, ValueError):
        return None


def check_task(folder: Path, task: str) -> None:
    """Refuse a task that the checkpoint in a folder is not made for.

    Args:
        folder: A diffusers directory; anything else says nothing of its task, and passes.
        task: One of the keys of `SERVES`.

    Raises:
        CheckpointError: The checkpoint's pipeline is for something else.
    """
    index = folder / "model_index.json"
    if not index.is_file():
        return
    pipeline = str(read_json(index).get("_class_name"))
    own = task_of(pipeline)
    served = SERVES.get(own or "", ())
    if task not in served:
        does = f"does {', '.join(served)}" if served else "is of no task that Optimum knows"
        raise CheckpointError(
            f"The checkpoint {str(folder)!r} is a {pipeline}, which {does}; --task {task} was asked for.",
            remedy="Leave --task out, or get a checkpoint made for it.",
        )
