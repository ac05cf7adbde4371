"""The task of a pipeline, as Optimum knows it.

This is the part of Optimum's inference that is used here. Optimum cannot infer the task of a local directory, so the
task comes from the pipeline's class. It knows no families, latent spaces or prediction types. Its dummy inputs have one
square size and values that do not suit a denoiser (a timestep below the number of norm groups), so components are
compared on examples made from their ports; the tests make plain graphs with Optimum's.
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
"""Tasks that a checkpoint's components can do, by the task of its own pipeline."""


def task_of(pipeline: str) -> str | None:
    """The task of a pipeline class of diffusers, such as `text-to-image`; None if Optimum knows none."""
    import diffusers
    from optimum.exporters.tasks import TasksManager

    try:
        return str(TasksManager.infer_task_from_model(getattr(diffusers, pipeline)))
    except (AttributeError, ValueError):
        return None


def check_task(folder: Path, task: str) -> None:
    """Refuse a task that the checkpoint in a folder is not made for.

    Args:
        folder: A diffusers directory; anything else states no task and is accepted.
        task: One of the keys of `SERVES`.

    Raises:
        CheckpointError: The checkpoint's pipeline is for another task.
    """
    index = folder / "model_index.json"
    if not index.is_file():
        return
    pipeline = str(read_json(index).get("_class_name"))
    own = task_of(pipeline)
    served = SERVES.get(own or "", ())
    if task not in served:
        does = f"does {', '.join(served)}" if served else "has no task that Optimum knows"
        raise CheckpointError(
            f"The checkpoint {str(folder)!r} is a {pipeline}, which {does}; received --task {task}.",
            remedy="Leave --task out, or use a checkpoint made for it.",
        )
