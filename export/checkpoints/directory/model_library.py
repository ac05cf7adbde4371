"""Which library a model belongs to, by its files."""

from __future__ import annotations

from pathlib import Path


def library_of(folder: Path) -> str | None:
    """The library that a local model belongs to, such as `diffusers` or `transformers`; None if unknown."""
    try:
        from optimum.exporters.tasks import TasksManager

        return str(TasksManager.infer_library_from_model(str(folder)))
    except (ImportError, ValueError, OSError):  # this is only for an error message, and must not replace it
        return None
