"""What a request asked for that its model was not made for, and the stages whose results depend on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

GIVEN = ("latents", "init_latents")
"""Stages that are arguments: a fault in them is the request's own."""

PROMPTS = ("prompt", "negative_prompt")
SIDES = ("width", "height")
MULTIPLIERS = ("guidance", *PROMPTS)
"""Settings that multiply what a network wrote or reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusual:
    """A setting of a request that may explain a faulty result.

    Args:
        setting: Name of the argument.
        value: Its value.
        usual: What is usual for the model, to follow the value: `the model's own is 7.5`.
    """

    setting: str
    value: object
    usual: str

    def __str__(self) -> str:
        shown = f"{self.value:g}" if isinstance(self.value, float) else str(self.value)
        return f"{self.setting} {shown} ({self.usual})"


def concerning(stage: str, unusual: Sequence[Unusual], *, finite: bool) -> Sequence[Unusual]:
    """Those settings that may explain a stage's result.

    Args:
        stage: The component that wrote the result, or the argument that held it.
        unusual: The unusual settings of the request.
        finite: Whether the result holds numbers only. Large numbers in a request may overflow; few steps or another
            sampler do not.
    """
    if stage in GIVEN:
        return ()
    if not finite:
        unusual = [one for one in unusual if one.setting in MULTIPLIERS or one.setting.startswith("conditions.")]
    if stage.startswith("text_encoder"):
        return [one for one in unusual if one.setting in PROMPTS]
    if stage == "vae_encoder":
        return [one for one in unusual if one.setting in SIDES]
    return unusual
