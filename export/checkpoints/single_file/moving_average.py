"""The names of a UNet's moving average, which training stores without dots."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

PREFIX = "model_ema.diffusion_model"
PLAIN_PREFIX = "model.diffusion_model."

# The words of the layout's names, longer ones before those that they begin with, each with the number behind it.
WORD = re.compile(
    r"(input_blocks|output_blocks|middle_block|time_embed|label_emb|transformer_blocks|in_layers|out_layers|emb_layers"
    r"|skip_connection|attn[12]|norm[123]|proj_in|proj_out|to_out|to_[qkv]|weight|bias|norm|proj|conv|out|net|ff|op)"
    r"(\d*)"
)
# Numbers of these consist of two: blocks and the layer in them, which is below 10.
DOUBLE = ("input_blocks", "output_blocks", "label_emb")


def average_as_plain(names: Iterable[str]) -> Mapping[str, str]:
    """For a file that holds the moving average of a UNet and no plain one: the plain name of each of its tensors.

    Args:
        names: Names of all tensors of the file.

    Returns:
        Stored name by plain name; empty if there is a plain UNet, or no average.
    """
    names = [*names]
    if any(name.startswith(PLAIN_PREFIX) for name in names):
        return {}
    plain = {_dotted(name.removeprefix(PREFIX)): name for name in names if name.startswith(PREFIX)}
    return {PLAIN_PREFIX + dotted: name for dotted, name in plain.items() if dotted is not None}


def _dotted(name: str) -> str | None:
    """`input_blocks10in_layers0weight` as `input_blocks.1.0.in_layers.0.weight`; None if it is no such name."""
    words = WORD.findall(name)
    if "".join(word + number for word, number in words) != name:
        return None
    parts = []
    for word, number in words:
        parts.append(word)
        if word in DOUBLE:
            parts += [number[:-1], number[-1:]]
        else:
            parts.append(number)
    return ".".join(part for part in parts if part)
