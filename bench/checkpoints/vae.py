"""The VAEs: one per latent space, shared by all checkpoints of that space.

KL_SD and KL_SDXL have the same architecture, shapes and names, as do KL_SD3 and KL_FLUX: only weights and affine
differ, as with the published ones.
"""

from __future__ import annotations

from typing import Any

from latentlink.bench.checkpoints.specs import NetworkSpec


def _autoencoder(weights: str, *, channels: int, absent: tuple[str, ...] = (), **config: Any) -> NetworkSpec:
    return NetworkSpec(
        kind="AutoencoderKL",
        weights=weights,
        absent=absent,
        config={
            "latent_channels": channels,
            "block_out_channels": (8, 12, 12, 16),
            "down_block_types": ("DownEncoderBlock2D",) * 4,
            "up_block_types": ("UpDecoderBlock2D",) * 4,
            "layers_per_block": 1,
            "norm_num_groups": 4,
            "sample_size": 64,
            **config,
        },
    )


KL_SD = _autoencoder("kl-sd", channels=4, absent=("scaling_factor", "force_upcast"))
KL_SDXL = _autoencoder("kl-sdxl", channels=4, scaling_factor=0.13025, force_upcast=True)
KL_SD3 = _autoencoder(
    "kl-sd3",
    channels=16,
    scaling_factor=1.5305,
    shift_factor=0.0609,
    use_quant_conv=False,
    use_post_quant_conv=False,
    force_upcast=True,
)
KL_FLUX = _autoencoder(
    "kl-flux",
    channels=16,
    scaling_factor=0.3611,
    shift_factor=0.1159,
    use_quant_conv=False,
    use_post_quant_conv=False,
    force_upcast=True,
)
