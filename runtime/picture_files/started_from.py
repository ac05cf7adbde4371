"""What runs started from, as hashes: enough to know it again, and nothing to see of it."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

import numpy as np

from latentlink.runtime.request import Inputs


def hashes_of(inputs: Inputs, count: int, *, together: bool) -> list[Mapping[str, tuple[str, ...]]]:
    """By kind (`image`, `mask`, `latents`), the SHA-256 of the pixels that each picture started from.

    Args:
        inputs: What all of them started from.
        count: Number of pictures.
        together: Whether their noise was drawn together, so that each depends on all inputs.
    """
    latents = [] if inputs.latents is None else [np.ascontiguousarray(one, np.float32) for one in inputs.latents]
    whole = {
        "image": tuple(sha256(image.convert("RGB").tobytes()).hexdigest() for image in inputs.images),
        "mask": tuple(sha256(mask.convert("L").tobytes()).hexdigest() for mask in inputs.masks),
        "latents": tuple(sha256(one.tobytes()).hexdigest() for one in latents),
    }
    held = {kind: hashes for kind, hashes in whole.items() if hashes}
    if together:
        return [held] * count
    return [
        {kind: (hashes[number * len(hashes) // count],) for kind, hashes in held.items()} for number in range(count)
    ]
