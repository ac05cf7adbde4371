"""A UNet cut in two for the step cache: the whole network, which also writes its deep feature, and the shallow network.

Ma et al. 2024 (DeepCache: Accelerating Diffusion Models for Free): the output of the deep layers changes little from
step to step. The feature is the input of the last layers of the last up block. The shallow network consists of these
layers and of the first layers, whose outputs they also read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from latentlink.errors import UsageError
from latentlink.export.parts.identity import weights_sha256
from latentlink.ports import Port, feature_port
from latentlink.spaces import LatentSpace, TextEmbedding, digest


@dataclass(frozen=True, slots=True, kw_only=True)
class UNetCut:
    """The place where a UNet is cut.

    Args:
        predict: The network as `Step` calls it; it has `unet`.
        layers: Layers of the last up block that the shallow network keeps.
        deep: The module that writes the feature.
        feature: Port of the feature: `[N, C, h, w]`, one row per prediction.
        texts: The embeddings that the shallow network reads.
    """

    predict: nn.Module
    layers: int
    deep: nn.Module
    feature: Port
    texts: tuple[TextEmbedding, ...]


def cut_unet(
    predict: nn.Module, layers: int, *, space: LatentSpace, texts: Sequence[TextEmbedding], rows: str, dtype: str
) -> UNetCut:
    """Find the place of the cut.

    Args:
        predict: `(latent, timestep, *texts, *others) -> prediction`, with the UNet as `unet`.
        layers: Layers of the last up block that the shallow network keeps, at least 1.
        space: Latent space that the UNet reads and writes.
        texts: Text embeddings that it reads.
        rows: Name of the free dimension of predictions.
        dtype: Dtype of the feature between engines.

    Raises:
        UsageError: The network is not a UNet, or its last block has too few layers.
    """
    blocks = getattr(getattr(predict, "unet", None), "up_blocks", None)
    if blocks is None:
        raise UsageError(
            "A step cache reuses the output of a UNet's deep layers, but this denoiser is not a UNet.",
            remedy="Leave --step-cache out.",
        )
    unet: Any = predict.unet
    last = blocks[-1]
    most = len(last.resnets) - 1
    if not 1 <= layers <= most:
        raise UsageError(
            f"Received {layers} layers of the last block for the shallow network; the block has {most + 1}, "
            f"expected 1 to {most}."
        )
    attentions = getattr(last, "attentions", None) or last.resnets
    first = unet.down_blocks[0]
    reads = getattr(last, "has_cross_attention", False) or (layers > 1 and getattr(first, "has_cross_attention", False))
    identity = {"weights": weights_sha256(unet.state_dict()), "layers": layers}
    # the last layers read it joined with an output of the first ones
    channels = last.resnets[-layers].conv1.in_channels - _joined_channels(unet, layers)
    return UNetCut(
        predict=predict,
        layers=layers,
        deep=attentions[most - layers],
        feature=feature_port(channels, space.downscale, layers, digest(identity), rows=rows, dtype=dtype),
        texts=tuple(text for text in texts if text.pooled or reads),
    )


def _joined_channels(unet: Any, layers: int) -> int:
    """Channels of the first layers' output, which is joined with the feature."""
    return int(unet.conv_in.out_channels if layers == 1 else unet.down_blocks[0].resnets[layers - 2].conv2.out_channels)


class WholeUNet(nn.Module):
    """The whole network: `(latent, timestep, *conditioning) -> prediction, feature`."""

    def __init__(self, at: UNetCut) -> None:
        super().__init__()
        self.predict, self.deep = at.predict, at.deep

    def forward(self, *tensors: Tensor) -> tuple[Tensor, Tensor]:
        written: list[Tensor] = []

        def keep(tensor: Tensor) -> Tensor:
            written.append(tensor)
            return tensor

        with _output_hook(self.deep, keep):
            prediction: Tensor = self.predict(*tensors)
        return prediction, written[0]


class ShallowUNet(nn.Module):
    """The shallow network: `(latent, timestep, feature, *texts, *others) -> prediction`.

    In torch the deep layers run and their output is replaced; tracing drops what nothing reads.

    Args:
        at: The place of the cut.
        texts: The embeddings that the whole network reads.
    """

    def __init__(self, at: UNetCut, texts: Sequence[TextEmbedding]) -> None:
        super().__init__()
        self.predict, self.deep = at.predict, at.deep
        self.unread = tuple(None if text in at.texts else text.width for text in texts)

    def forward(self, latent: Tensor, timestep: Tensor, feature: Tensor, *others: Tensor) -> Tensor:
        remaining = iter(others)
        rows = latent.shape[0]  # len() would be a plain number, which the trace would fix
        texts = [
            next(remaining) if width is None else latent.new_zeros(1, 1, width).expand(rows, 1, width)
            for width in self.unread
        ]
        with _output_hook(self.deep, lambda tensor: feature):
            prediction: Tensor = self.predict(latent, timestep, *texts, *remaining)
        return prediction


@contextmanager
def _output_hook(module: nn.Module, substitute: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Pass the module's output through `substitute` within the block."""

    def hook(_: nn.Module, __: Any, output: Any) -> Any:
        return (substitute(output[0]), *output[1:]) if isinstance(output, tuple) else substitute(output)

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
