"""The small UNet on which random checkpoints of several families are based."""

from __future__ import annotations

from typing import Any

from latentlink.bench.checkpoints.specs import NetworkSpec


def small_unet(weights: str, **config: Any) -> NetworkSpec:
    """A `UNet2DConditionModel` of two levels, the first with cross attention on the way down and none on the way up.

    Args:
        weights: As of `NetworkSpec`.
        config: Replaces or adds arguments.
    """
    return NetworkSpec(
        kind="UNet2DConditionModel",
        weights=weights,
        config={
            "sample_size": 8,
            "block_out_channels": (20, 28),
            "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
            "up_block_types": ("UpBlock2D", "UpBlock2D"),
            "layers_per_block": 1,
            "cross_attention_dim": 36,
            "attention_head_dim": 4,
            "norm_num_groups": 4,
            **config,
        },
    )
