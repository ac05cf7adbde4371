"""Whether the parts of a checkpoint fit together, by their configs."""

from __future__ import annotations

from collections.abc import Sequence

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints import Checkpoint
from latentlink.export.configs import shown
from latentlink.export.parts.identity import vae_layout


def check_channels(checkpoint: Checkpoint, part: str, *, patch: int = 1, repaints: bool = False) -> None:
    """Refuse a denoiser whose first layer reads, or whose last one writes, other channels than its ports carry.

    Args:
        checkpoint: Checkpoint with this part and a VAE.
        part: The denoiser.
        patch: Rows and columns of the latent that are packed into one element before the network.
        repaints: Whether it may also read a mask and the picture around it, `2C + 1` channels.

    Raises:
        CheckpointError: It reads or writes something that no port has.
    """
    config, (channels, _) = checkpoint.settings(part), vae_layout(checkpoint.config("vae"))
    own, masked = channels * patch**2, 2 * channels + 1
    latent = f"{own}, those of the VAE's {'latent' if patch == 1 else 'packed latent'}"
    reads, writes = config["in_channels"], config["out_channels"]
    if reads != own and not (repaints and reads == masked):
        beside = {2 * own: ", such as a picture to edit or to follow", own + 1: ", such as a depth map"}
        raise misfit(
            part,
            "in_channels",
            reads,
            f"{latent}, or {masked}, with a mask and the picture around it" if repaints else latent,
            remedy=f"No recipe has ports for what else this network reads{beside.get(reads, '')}.",
        )
    if writes != own and not (writes is None and reads == own):
        raise misfit(part, "out_channels", writes, latent)


def check_width(checkpoint: Checkpoint, part: str, key: str, encoders: Sequence[str], width: str) -> None:
    """Refuse a denoiser that reads embeddings of another width than its text encoders write.

    Args:
        checkpoint: Checkpoint with all these parts.
        part: The denoiser.
        key: Key of its config: a width, or a list of equal widths.
        encoders: Text encoders whose embeddings it reads, joined along their width.
        width: Key of their configs.

    Raises:
        CheckpointError: The widths differ.
    """
    found, widths = checkpoint.settings(part).get(key), [checkpoint.settings(name).get(width) for name in encoders]
    total = sum(one for one in widths if type(one) is int)
    each = found if isinstance(found, list) else [found]
    if not all(one == total for one in each):
        written = " and ".join(f"{one!r} of {name}" for name, one in zip(encoders, widths, strict=True))
        raise misfit(part, key, found, f"{total}, as {width} is {written}")


def misfit(part: str, key: str, value: object, expected: str, *, remedy: str = "") -> CheckpointError:
    """The error about a value in the config of a part that does not fit other parts.

    Args:
        part: The part.
        key: Key of its config.
        value: The value.
        expected: The value that would fit, and why.
        remedy: What to do, if the checkpoint may be right.
    """
    return CheckpointError(
        f"The checkpoint's {part} has {key} {shown(value)}; expected {expected}.",
        remedy=remedy or "Get the checkpoint again, or correct its configs.",
    )
