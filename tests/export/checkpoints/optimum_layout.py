"""Directories as Optimum exports them, made from a checkpoint without optimum-onnx.

That package pins an old transformers. What it does to a checkpoint is done here: its names and free dimensions
(`optimum/exporters/onnx/model_configs.py` of 0.1.0), torch's older exporter at opset 18, and dummy inputs from the
generators that optimum itself has.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

Free = Mapping[str, Mapping[int, str]]
SPATIAL = {0: "batch_size", 2: "height", 3: "width"}
TOKENS = {0: "batch_size", 1: "sequence_length"}


def write_optimum_layout(
    checkpoint: Path, out: Path, *, opset: int = 18, dtype: str = "float32", hidden_states: bool = False
) -> Path:
    """Write a checkpoint's networks as plain graphs in Optimum's layout.

    Args:
        checkpoint: A diffusers directory.
        out: Directory to make.
        opset: Opset of the graphs.
        dtype: Precision of the weights: `float32` or `float16`.
        hidden_states: Whether CLIP text encoders write every layer, as those of SDXL and SD 3 do.
    """
    import diffusers
    import transformers

    index = json.loads((checkpoint / "model_index.json").read_text())
    write = _Writer(checkpoint, out, opset=opset, dtype=getattr(torch, dtype))
    for part, value in index.items():
        if not isinstance(value, list) or value[0] not in ("diffusers", "transformers") or part == "scheduler":
            continue
        kind = getattr(diffusers if value[0] == "diffusers" else transformers, value[1])
        if part.startswith("text_encoder"):
            write.text(part, kind, hidden_states)
        elif part == "unet":
            write.unet(kind)
        elif part == "transformer":
            write.transformer(kind)
        elif part == "vae":
            write.vae(kind)
    for path in checkpoint.iterdir():
        if path.name.startswith(("tokenizer", "scheduler")):
            shutil.copytree(path, out / path.name)
    shutil.copy(checkpoint / "model_index.json", out)
    return out


class _Writer:
    def __init__(self, checkpoint: Path, out: Path, *, opset: int, dtype: torch.dtype) -> None:
        self.checkpoint, self.out, self.opset, self.dtype = checkpoint, out, opset, dtype

    def text(self, part: str, kind: Any, hidden_states: bool) -> None:
        from optimum.utils import DummyTextInputGenerator, NormalizedTextConfig

        model = self.load(part, kind)
        dummy = DummyTextInputGenerator("feature-extraction", NormalizedTextConfig(model.config))
        layers = model.config.num_hidden_layers + 1 if hidden_states and part != "text_encoder_3" else 0

        def run(input_ids: Tensor) -> dict[str, Tensor]:
            done = model(input_ids=input_ids, output_hidden_states=True)
            named = {name: done[name] for name in ("text_embeds", "last_hidden_state", "pooler_output") if name in done}
            return named | {f"hidden_states.{layer}": done.hidden_states[layer] for layer in range(layers)}

        self.write(part, model, run, {"input_ids": dummy.generate("input_ids")}, {"input_ids": TOKENS})

    def unet(self, kind: Any) -> None:
        from optimum.utils import (
            DummySeq2SeqDecoderTextInputGenerator,
            DummyTimestepInputGenerator,
            DummyVisionInputGenerator,
            NormalizedConfig,
        )

        model = self.load("unet", kind)
        second = self.checkpoint / "text_encoder_2" / "config.json"
        if second.is_file():
            width = json.loads(second.read_text())["projection_dim"]
            model.register_to_config(text_encoder_projection_dim=width)
        normal = NormalizedConfig.with_args(
            image_size="sample_size",
            num_channels="in_channels",
            hidden_size="cross_attention_dim",
            vocab_size="norm_num_groups",
            allow_new=True,
        )(model.config)
        task = "semantic-segmentation"
        vision = DummyVisionInputGenerator(task, normal)
        step = DummyTimestepInputGenerator(task, normal)
        text = DummySeq2SeqDecoderTextInputGenerator(task, normal)
        inputs = {
            "sample": vision.generate("sample"),
            "timestep": step.generate("timestep"),
            "encoder_hidden_states": text.generate("encoder_hidden_states")[0],
        }
        if model.config.addition_embed_type == "text_time":
            inputs |= {name: step.generate(name) for name in ("text_embeds", "time_ids")}
        if model.config.time_cond_proj_dim is not None:
            inputs["timestep_cond"] = step.generate("timestep_cond")

        def run(text_embeds: Any = None, time_ids: Any = None, **named: Tensor) -> dict[str, Tensor]:
            added = None if text_embeds is None else {"text_embeds": text_embeds, "time_ids": time_ids}
            return {"out_sample": model(**named, added_cond_kwargs=added, return_dict=False)[0]}

        batch = {0: "batch_size"}
        free = {"sample": SPATIAL, "encoder_hidden_states": TOKENS, "out_sample": SPATIAL}
        free |= {name: batch for name in inputs if name in ("text_embeds", "time_ids", "timestep_cond")}
        self.write("unet", model, run, inputs, free)

    def transformer(self, kind: Any) -> None:
        from optimum.utils import (
            DummyFluxTransformerTextInputGenerator,
            DummyFluxTransformerVisionInputGenerator,
            DummyTransformerTextInputGenerator,
            DummyTransformerTimestepInputGenerator,
            DummyTransformerVisionInputGenerator,
            NormalizedConfig,
        )

        model = self.load("transformer", kind)
        packed = kind.__name__.startswith("Flux")
        normal = NormalizedConfig.with_args(
            image_size="sample_size",
            num_channels="in_channels",
            vocab_size="attention_head_dim",
            hidden_size="joint_attention_dim",
            projection_size="pooled_projection_dim",
            allow_new=True,
        )(model.config)
        task = "semantic-segmentation"
        vision = (DummyFluxTransformerVisionInputGenerator if packed else DummyTransformerVisionInputGenerator)(
            task, normal
        )
        text = (DummyFluxTransformerTextInputGenerator if packed else DummyTransformerTextInputGenerator)(task, normal)
        step = DummyTransformerTimestepInputGenerator(task, normal)
        inputs = {
            "hidden_states": vision.generate("hidden_states"),
            "encoder_hidden_states": text.generate("encoder_hidden_states"),
            "pooled_projections": text.generate("pooled_projections"),
            "timestep": step.generate("timestep"),
        }
        free: dict[str, Mapping[int, str]] = {
            "hidden_states": SPATIAL,
            "encoder_hidden_states": TOKENS,
            "pooled_projections": {0: "batch_size"},
            "timestep": {0: "step"},
            "out_hidden_states": SPATIAL,
        }
        if packed:
            tokens = {0: "batch_size", 1: "packed_height_width"}
            inputs |= {"img_ids": vision.generate("img_ids"), "txt_ids": text.generate("txt_ids")}
            free |= {
                "hidden_states": tokens,
                "out_hidden_states": tokens,
                "img_ids": {0: "packed_height_width"},
                "txt_ids": {0: "sequence_length"},
            }
            if model.config.guidance_embeds:
                inputs["guidance"] = text.generate("guidance")
                free["guidance"] = {0: "batch_size"}
        self.write(
            "transformer",
            model,
            lambda **named: {"out_hidden_states": model(**named, return_dict=False)[0]},
            inputs,
            free,
            # The older exporter writes the number of tokens into rotary embeddings as a constant; the newer one
            # cuts the middle out of a table of positions in the wrong place.
            dynamo=packed,
        )

    def vae(self, kind: Any) -> None:
        from optimum.utils import DummyVisionInputGenerator, NormalizedConfig

        vae = self.load("vae", kind)
        latents, pictures = (
            DummyVisionInputGenerator("semantic-segmentation", NormalizedConfig.with_args(**names)(vae.config))
            for names in (
                {"num_channels": "latent_channels", "allow_new": True},
                {"num_channels": "in_channels", "image_size": "sample_size", "allow_new": True},
            )
        )
        self.write(
            "vae_decoder",
            vae,
            lambda latent_sample: {"sample": vae.decode(z=latent_sample, return_dict=False)[0]},
            {"latent_sample": latents.generate("latent_sample")},
            {"latent_sample": SPATIAL, "sample": SPATIAL},
        )
        self.write(
            "vae_encoder",
            vae,
            lambda sample: {"latent_parameters": vae.encode(x=sample, return_dict=False)[0].parameters},
            {"sample": pictures.generate("sample")},
            {"sample": SPATIAL, "latent_parameters": SPATIAL},
        )
        for half in ("vae_decoder", "vae_encoder"):
            shutil.copy(self.checkpoint / "vae" / "config.json", self.out / half)

    def load(self, part: str, kind: Any) -> Any:
        return kind.from_pretrained(self.checkpoint / part, dtype=self.dtype).eval()

    def write(
        self,
        folder: str,
        model: nn.Module,
        run: Callable[..., dict[str, Tensor]],
        inputs: Mapping[str, Tensor],
        free: Free,
        dynamo: bool = False,
    ) -> None:
        """Trace, as `optimum.exporters.onnx.convert.export_pytorch` does."""
        inputs = {
            name: tensor.to(self.dtype) if tensor.is_floating_point() else tensor for name, tensor in inputs.items()
        }

        class Named(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.model = model  # its weights are parameters of what is traced

            def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
                return tuple(run(**dict(zip(inputs, tensors, strict=True))).values())

        path = self.out / folder / "model.onnx"
        path.parent.mkdir(parents=True)
        # the older exporter mixes float16 and float32 in layer norms, and ONNX Runtime does not open that
        dynamo = dynamo or self.dtype is torch.float16
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                Named().eval(),
                tuple(inputs.values()),
                path,
                input_names=list(inputs),
                output_names=list(run(**inputs)),
                opset_version=self.opset,
                dynamo=dynamo,
                external_data=dynamo,
                verbose=False,
                **(
                    {"dynamic_shapes": (tuple(dict(free.get(name, {})) for name in inputs),)}
                    if dynamo
                    else {"dynamic_axes": {name: dict(axes) for name, axes in free.items()}}
                ),
            )
        config = self.checkpoint / folder / "config.json"
        if config.is_file():
            shutil.copy(config, path.parent)
