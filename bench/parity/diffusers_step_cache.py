"""The step cache in a pipeline of diffusers: the reference for ours.

Its loop is unchanged, and the whole network runs on every step. On shallow steps, the output of the deep layers is
replaced by that of the last whole step.
"""

from __future__ import annotations

from typing import Any


class DeepLayerReuse:
    """Uses a pipeline's deep layers only on every n-th call; a context manager that restores the pipeline.

    Args:
        pipeline: Pipeline of diffusers with a UNet; its scheduler makes one call per step.
        every: The number n; 1 changes nothing.
        layers: Layers of the last up block that always run.
    """

    def __init__(self, pipeline: Any, every: int, layers: int = 1) -> None:
        self._pipeline = pipeline
        self._every = every
        self._layers = layers
        self._calls = 0
        self._kept: Any = None
        self._hook: Any = None

    def __enter__(self) -> DeepLayerReuse:
        if self._every > 1:
            last = self._pipeline.unet.up_blocks[-1]
            deep = (getattr(last, "attentions", None) or last.resnets)[-1 - self._layers]
            self._hook = deep.register_forward_hook(self._replaced)
        return self

    def __exit__(self, *reason: object) -> None:
        if self._hook is not None:
            self._hook.remove()

    def _replaced(self, module: Any, inputs: Any, output: Any) -> Any:
        if self._calls % self._every == 0:
            self._kept = output
        self._calls += 1
        return self._kept
