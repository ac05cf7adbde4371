"""Records, texts and prompts that several tests share."""

from __future__ import annotations

from typing import Any

from PIL import features

from latentlink.runtime.picture_files import Origin, Record

AVIF = ["x.avif"] if features.check("avif") else []
"""A file that not every Pillow writes."""

SHA = "0123456789abcdef" * 4

HARD_PROMPTS = (
    "a red circle",
    "a red circle, on blue, (soft:1.2)",
    "two lines\nof a prompt",
    'quotes "here" and \'there\', \\ and {"json": 1}',
    "Steps: 5",
    "Steps: 5, Sampler: Euler\nof a staircase",
    "dots: three, of them: all, colour: red, and more",
    "夜の灯台、霧 🌫️ Škoda ναός",
    "<b>&amp;</b> ]]> </latentlink:record>",
)
"""Prompts that are easily taken for something else."""


def record(prompt: str = "a red circle", **changes: Any) -> Record:
    """A record of a picture from noise.

    Args:
        prompt: Its prompt.
        changes: Options that differ; `origin`, `batch`, `started_from`, `version` and `earlier` are those of `Record`.
    """
    fields = {name: changes.pop(name) for name in ("batch", "started_from", "version", "earlier") if name in changes}
    options = {
        "negative_prompt": "blurry, grey",
        "seed": 7,
        "steps": 20,
        "guidance": 7.5,
        "step_cache": 1,
        "sampler": "dpmpp_2m",
        "sigmas": "karras",
        "width": 64,
        "height": 48,
        "noise": "torch",
        **changes,
    }
    return Record(
        prompt=prompt,
        options={name: value for name, value in options.items() if value is not None},
        origin=Origin(name="demo", family="sd1", manifest=SHA, engines={"denoiser": ("ort-cpu", "float32")}),
        **fields,
    )
