"""Which library a model belongs to, by its files."""

from __future__ import annotations

from pathlib import Path


def library_of(folder: Path) -> str | None:
    """The library a local model belongs to, such as `diffusers` or `transformers`, or None where none is seen."""
    try:
        from optimum.exporters.tasks import TasksManager

        return str(TasksManager.infer_library_from_model(str(folder)))
    except (ImportError, ValueError, OSError):  # it only words a refusal, and must not replace it
        return None
