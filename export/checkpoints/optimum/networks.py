"""The networks of a pipeline as Optimum exports them: tensor names, free dimensions, output shapes.

Names and free dimensions are those of optimum-onnx 0.1 (`optimum/exporters/onnx/model_configs.py`). That package
pins an old transformers, so its configs are written down here instead of imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from latentlink.errors import CheckpointError
from latentlink.export.graphs import EXPORT_AGAIN, PlainGraph, StandIn, TracedDim

NetworkShapes = Callable[[Any, Mapping[str, Tensor]], Mapping[str, Sequence[TracedDim]]]
Returns = Callable[[Any, Mapping[str, Tensor]], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainNetwork:
    """One class of diffusers or transformers as Optimum exports it.

    Args:
        inputs: Input names in the order of the class's positional arguments, each with its required free dimensions.
        shapes: Output shapes, from the class's config and the inputs.
        returns: Return value of the class, from its config and the outputs.
        result: Output that must be present.
        attributes: Attributes that a recipe tests for or modifies before tracing; in a graph they have no effect.
    """

    inputs: Mapping[str, tuple[int, ...]]
    shapes: NetworkShapes
    returns: Returns
    result: str
    attributes: tuple[str, ...] = ()

    def stand_in(self, graph: PlainGraph, config: Any) -> StandIn:
        """The graph as a module that is called like the class.

        Raises:
            CheckpointError: The graph's tensors differ from Optimum's, or sizes are fixed.
        """
        check_inputs(graph, self.inputs)
        if self.result not in graph.outputs:
            raise CheckpointError(
                f"{graph.title} writes {', '.join(graph.outputs)}; expected {self.result}.", remedy=EXPORT_AGAIN
            )
        module = StandIn(
            graph,
            arguments=tuple(self.inputs),
            shapes=lambda inputs: self.shapes(config, inputs),
            returns=lambda outputs: self.returns(config, outputs),
            config=config,
        )
        for attribute in self.attributes:
            setattr(module, attribute, nn.Module())
        return module


def check_inputs(graph: PlainGraph, known: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse a graph with inputs of other names, fixed sizes, or an integer timestep.

    Raises:
        CheckpointError: The graph has such inputs.
    """
    unknown = [name for name in graph.inputs if name not in known]
    if unknown:
        raise CheckpointError(
            f"{graph.title} reads {', '.join(unknown)}; an export by Optimum reads {', '.join(known)}.",
            remedy=EXPORT_AGAIN,
        )
    for name, tensor in graph.inputs.items():
        fixed = [axis for axis in known[name] if axis < len(tensor.shape) and tensor.shape[axis] is not None]
        if fixed or len(tensor.shape) <= max(known[name], default=-1):
            shape = ", ".join("free" if size is None else str(size) for size in tensor.shape)
            raise CheckpointError(
                f"{graph.title} reads {name} of shape [{shape}]; expected free dimensions {list(known[name])}.",
                remedy="Export it again without --no-dynamic-axes.",
            )
    timestep = graph.inputs.get("timestep")
    if timestep is not None and not timestep.dtype.startswith("float"):
        raise CheckpointError(
            f"{graph.title} reads the timestep as {timestep.dtype}; expected a float: samplers use fractional "
            "timesteps.",
            remedy="Export it again with a current Optimum.",
        )


class HiddenStates(Sequence[Tensor]):
    """`hidden_states` of a text encoder: layers 0 (the embeddings) to the last, as far as the graph writes them.

    Args:
        outputs: The graph's outputs.
        layers: Number of layers of the network.
    """

    def __init__(self, outputs: Mapping[str, Tensor], layers: int) -> None:
        self._outputs = outputs
        self._count = layers + 1

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        name = f"hidden_states.{range(self._count)[index]}"
        if name not in self._outputs:
            raise CheckpointError(
                f"The text encoder's graph writes {', '.join(self._outputs)}, but {name} is needed.",
                remedy="Export it again with hidden states, or leave --clip-skip out.",
            )
        return self._outputs[name]


def _text_shapes(config: Any, inputs: Mapping[str, Tensor]) -> dict[str, list[TracedDim]]:
    prompts, tokens = inputs["input_ids"].shape
    every: list[TracedDim] = [prompts, tokens, config.hidden_size]
    return {
        "last_hidden_state": every,
        "pooler_output": [prompts, config.hidden_size],
        "text_embeds": [prompts, config.projection_dim],
    } | {f"hidden_states.{layer}": every for layer in range(config.num_hidden_layers + 1)}


def _text_returns(config: Any, outputs: Mapping[str, Tensor]) -> Any:
    from transformers.modeling_outputs import BaseModelOutputWithPooling

    return BaseModelOutputWithPooling(
        last_hidden_state=outputs["last_hidden_state"],
        pooler_output=outputs.get("pooler_output"),
        hidden_states=HiddenStates(outputs, config.num_hidden_layers),
    )


def _projection_returns(config: Any, outputs: Mapping[str, Tensor]) -> Any:
    from transformers.models.clip.modeling_clip import CLIPTextModelOutput

    return CLIPTextModelOutput(
        text_embeds=outputs["text_embeds"],
        last_hidden_state=outputs.get("last_hidden_state"),
        hidden_states=HiddenStates(outputs, config.num_hidden_layers),
    )


def _t5_returns(config: Any, outputs: Mapping[str, Tensor]) -> Any:
    from transformers.modeling_outputs import BaseModelOutput

    return BaseModelOutput(last_hidden_state=outputs["last_hidden_state"])


def _spatial(result: str, source: str) -> NetworkShapes:
    """A prediction with the latent's size and the config's output channels."""

    def shapes(config: Any, inputs: Mapping[str, Tensor]) -> dict[str, list[TracedDim]]:
        rows, _, height, width = inputs[source].shape
        return {result: [rows, config.out_channels, height, width]}

    return shapes


def _tuple(result: str) -> Returns:
    return lambda config, outputs: (outputs[result],)


TOKENS = {"input_ids": (0,)}

NETWORKS: Mapping[str, PlainNetwork] = {
    "CLIPTextModel": PlainNetwork(
        inputs=TOKENS, shapes=_text_shapes, returns=_text_returns, result="last_hidden_state"
    ),
    "CLIPTextModelWithProjection": PlainNetwork(
        inputs=TOKENS,
        shapes=_text_shapes,
        returns=_projection_returns,
        result="text_embeds",
        attributes=("text_projection",),
    ),
    "T5EncoderModel": PlainNetwork(
        inputs=TOKENS,
        shapes=lambda config, given: {"last_hidden_state": [*given["input_ids"].shape, config.d_model]},
        returns=_t5_returns,
        result="last_hidden_state",
    ),
    "UNet2DConditionModel": PlainNetwork(
        inputs={
            "sample": (0, 2, 3),
            "timestep": (),
            "encoder_hidden_states": (0, 1),
            "timestep_cond": (0,),
            "text_embeds": (0,),
            "time_ids": (0,),
        },
        shapes=_spatial("out_sample", "sample"),
        returns=_tuple("out_sample"),
        result="out_sample",
    ),
    "SD3Transformer2DModel": PlainNetwork(
        inputs={
            "hidden_states": (0, 2, 3),
            "encoder_hidden_states": (0, 1),
            "pooled_projections": (0,),
            "timestep": (0,),
        },
        shapes=_spatial("out_hidden_states", "hidden_states"),
        returns=_tuple("out_hidden_states"),
        result="out_hidden_states",
        attributes=("pos_embed",),
    ),
    "FluxTransformer2DModel": PlainNetwork(
        inputs={
            "hidden_states": (0, 1),
            "encoder_hidden_states": (0, 1),
            "pooled_projections": (0,),
            "timestep": (0,),
            "img_ids": (0,),
            "txt_ids": (0,),
            "guidance": (0,),
        },
        shapes=lambda config, given: {
            "out_hidden_states": [*given["hidden_states"].shape[:2], config.out_channels or config.in_channels]
        },
        returns=_tuple("out_hidden_states"),
        result="out_hidden_states",
    ),
}
"""Networks by class name. A pipeline's VAE is two graphs, see `latentlink.export.checkpoints.optimum.vae`."""
