"""A VAE as Optimum exports it: two graphs, `vae_decoder` and `vae_encoder`, where diffusers has one network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints.optimum.networks import check_inputs
from latentlink.export.checkpoints.optimum.weights import PlainWeights
from latentlink.export.graphs import EXPORT_AGAIN, PlainGraph, StandIn

FREE = (0, 2, 3)


class VaeStandIn(nn.Module):
    """An `AutoencoderKL` whose halves are plain graphs, each with its quantisation convolution inside.

    Args:
        decoder: From the raw latent to the picture.
        encoder: From the picture to the posterior's mean and log-variance; None if the directory has no encoder.
        config: The VAE's config.
        weights: The encoder's weights, which identify a latent space of its own.
    """

    quant_conv = None
    post_quant_conv = None

    def __init__(self, decoder: StandIn, encoder: StandIn | None, config: Any, weights: PlainWeights) -> None:
        super().__init__()
        self.decoder, self.encoder, self.config = decoder, encoder, config
        self._weights = weights

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """The encoder's weights under `encoder.`; as part of a larger module, none."""
        return super().state_dict(*args, **kwargs) if args or kwargs else self._weights


def decoder_of(graph: PlainGraph, config: Any) -> StandIn:
    """`latent_sample -> sample`, raw latents to pictures in -1..1.

    Raises:
        CheckpointError: The graph has other tensors or fixed sizes.
    """
    factor = _factor(config)
    return _half(
        graph,
        reads="latent_sample",
        writes="sample",
        channels=config.out_channels,
        size=lambda side: side * factor,
    )


def encoder_of(graph: PlainGraph, config: Any) -> StandIn:
    """`sample -> latent_parameters`, pictures in -1..1 to the posterior's mean and log-variance.

    Raises:
        CheckpointError: The graph has other tensors or fixed sizes, or draws the sample itself.
    """
    if "latent_sample" in graph.outputs:
        raise CheckpointError(
            f"{graph.title} writes latent_sample, a latent sampled inside the graph, with noise that no seed controls; "
            "expected latent_parameters, the posterior's mean and log-variance.",
            remedy="Export it again with Optimum 1.23 or later, or remove the folder to import without an encoder.",
        )
    factor = _factor(config)
    return _half(
        graph,
        reads="sample",
        writes="latent_parameters",
        channels=2 * config.latent_channels,
        size=lambda side: side // factor,
    )


def _half(graph: PlainGraph, *, reads: str, writes: str, channels: int, size: Any) -> StandIn:
    check_inputs(graph, {reads: FREE})
    if writes not in graph.outputs:
        raise CheckpointError(
            f"{graph.title} writes {', '.join(graph.outputs)}; expected {writes}.", remedy=EXPORT_AGAIN
        )

    def shapes(inputs: Mapping[str, Any]) -> dict[str, list[Any]]:
        batch, _, height, width = inputs[reads].shape
        return {writes: [batch, channels, size(height), size(width)]}

    return StandIn(graph, arguments=(reads,), shapes=shapes, returns=lambda outputs: outputs[writes])


def _factor(config: Any) -> int:
    return int(2 ** (len(config.block_out_channels) - 1))
