"""Picture sizes that one pass of the VAE's encoder or decoder accepts."""

from __future__ import annotations

from latentlink.runtime.linking import Engine
from latentlink.runtime.vae.tiling import CanvasLimits

UNLIMITED = 1 << 30


def canvas_limits(engine: Engine) -> CanvasLimits:
    """(least, most) height and width, in latent elements, of one pass of the VAE's encoder or decoder."""
    (least_height, _, most_height), (least_width, _, most_width) = (
        engine.limits.get(dim, (1, 1, UNLIMITED)) for dim in ("h", "w")
    )
    return (least_height, most_height), (least_width, most_width)
