"""The step cache in a pipeline of diffusers: the plain reference for ours.

Its loop stays as it is, and the whole network runs on every step. On those between, what the deep layers made is
replaced by what they made on the last whole one.
"""

from __future__ import annotations

from typing import Any


class DeepLayerReuse:
    """A pipeline whose deep layers count on every n-th call alone; a context manager that puts things back.

    Args:
        pipeline: Of diffusers, with a UNet; its scheduler makes one call a step.
        every: n; 1 changes nothing.
        layers: Layers of the last block upwards that always count.
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
