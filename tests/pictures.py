"""Pictures in documents, compared with those that this machine draws."""

from __future__ import annotations

import numpy as np
from PIL import Image

MOST_APART = 1.5
"""Largest mean difference, of 255, from a picture that another processor drew, where engines sum in another order: no
more than pictures differ that have the 45 dB of docs/parity.md. Another seed of the demo models differs by 10 or more.
"""


def apart(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of two pictures of one size."""
    assert one.size == other.size
    first, second = (np.asarray(picture.convert("RGB"), np.float64) for picture in (one, other))
    return float(np.abs(first - second).mean())
