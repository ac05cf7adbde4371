"""What a safetensors file holds that no recipe reads by itself, told by the names and shapes of its tensors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherModel:
    """A kind of file.

    Args:
        what: Its name in messages, with an article.
        found: Whether tensors of these names and shapes are of this kind.
        remedy: What to do with it.
        steers: Whether it changes what a model draws, and is often kept beside one.
    """

    what: str
    found: Callable[[Shapes], bool]
    remedy: str
    steers: bool = False


def other_family(shapes: Shapes) -> OtherModel | None:
    """The kind of a file with layers as in a family that is read, but which is of another; None if there is none."""
    return next((other for other in OTHER_FAMILIES if other.found(shapes)), None)


def other_model(shapes: Shapes) -> OtherModel | None:
    """The kind of a file in which no part of a model was found; None if it is unknown."""
    return next((other for other in (*OTHER_FAMILIES, *OTHER_MODELS) if other.found(shapes)), None)


def named(pattern: str) -> Callable[[Shapes], bool]:
    """Whether a name of a tensor has a match of `pattern` anywhere."""
    expression = re.compile(pattern)
    return lambda shapes: any(expression.search(name) for name in shapes)


EMBEDDING_WIDTHS = (768, 1024, 1280, 4096)
MOST_VECTORS = 128


def _is_inversion(shapes: Shapes) -> bool:
    """Whether there are only a few vectors, each as wide as a token's embedding."""
    return 0 < len(shapes) <= 3 and all(
        len(shape) in (1, 2) and shape[-1] in EMBEDDING_WIDTHS and (len(shape) == 1 or shape[0] <= MOST_VECTORS)
        for shape in shapes.values()
    )


ADAPTER = (
    # LoRA as kohya, diffusers (three generations), PEFT, XLabs and OneTrainer name it; LyCORIS (LoHa, LoKr, OFT, GLoRA)
    r"lora_|\.lora\.|_lora\d?\.|\.glora|hada_[wt]|lokr_w|(^|\.)b?oft_|dora_scale"
)

PIPELINE = 'from diffusers import DiffusionPipeline; p = DiffusionPipeline.from_pretrained("MODEL")'
MERGE = (
    f"Merge it into its model first, with diffusers and peft in Python: {PIPELINE}; "
    'p.load_lora_weights("FILE"); p.fuse_lora(); p.unload_lora_weights(); p.save_pretrained("MERGED"). Then export '
    "MERGED."
)
ADD_WORD = (
    f'Add it to its model first, with diffusers in Python: {PIPELINE}; p.load_textual_inversion("FILE", token="WORD"); '
    'p.save_pretrained("WITH_WORD"). Then export WITH_WORD, and use WORD in prompts.'
)
ADD_WORD_TWICE = (
    f"Add it to its model first, with diffusers in Python: {PIPELINE}; from safetensors.torch import load_file; "
    's = load_file("FILE"); p.load_textual_inversion(s["clip_l"], token="WORD", text_encoder=p.text_encoder, '
    'tokenizer=p.tokenizer); p.load_textual_inversion(s["clip_g"], token="WORD", text_encoder=p.text_encoder_2, '
    'tokenizer=p.tokenizer_2); p.save_pretrained("WITH_WORD"). Then export WITH_WORD, and use WORD in prompts.'
)
NOT_READ = "LatentLink has no command that reads it; give the checkpoint of a model."
NO_RECIPE = "No recipe reads this family; docs/adding-a-family.md explains how to write one."
BESIDE = "Give the file or directory of the denoiser as the checkpoint, and this one with"
PLAIN_WEIGHTS = "Give the same model in float32, float16 or bfloat16, or in float8 without scales."

OTHER_FAMILIES: tuple[OtherModel, ...] = (
    OtherModel(what="a Control-LoRA", found=named(r"^lora_controlnet$"), remedy=NOT_READ, steers=True),
    OtherModel(
        what="a ControlNet",
        found=named(r"^(controlnet_|input_hint_block\.|zero_convs\.)"),
        remedy=NOT_READ,
        steers=True,
    ),
    OtherModel(
        what="a quantised model",
        found=named(r"\.(absmax|quant_map|qweight|wscales|scale_weight|weight_scale|comfy_quant)$|\.quant_state\."),
        remedy=PLAIN_WEIGHTS,
    ),
    OtherModel(what="Chroma", found=named(r"(^|\.)distilled_guidance_layer\."), remedy=NO_RECIPE),
    OtherModel(
        what="FLUX.2", found=named(r"(^|\.)(single_stream_modulation|double_stream_modulation_img)\."), remedy=NO_RECIPE
    ),
    OtherModel(
        what="a video model (Stable Video Diffusion)", found=named(r"\.time_stack\.|\.time_mixer\."), remedy=NO_RECIPE
    ),
)
"""Looked for first: a family's own test would take them for damaged files of it."""

OTHER_MODELS: tuple[OtherModel, ...] = (
    OtherModel(what="a LoRA or another adapter of its kind", found=named(ADAPTER), remedy=MERGE, steers=True),
    OtherModel(
        what="a textual inversion of Stable Diffusion XL",
        found=lambda shapes: {"clip_l", "clip_g"} == {*shapes},
        remedy=ADD_WORD_TWICE,
        steers=True,
    ),
    OtherModel(what="a textual inversion", found=_is_inversion, remedy=ADD_WORD, steers=True),
    OtherModel(
        what="an IP-Adapter",
        found=named(r"^(ip_adapter|image_proj|image_proj_model)\.|\.to_[kv]_ip\.|processor\.ip_adapter|^pulid"),
        remedy=NOT_READ,
        steers=True,
    ),
    OtherModel(what="a ControlNet", found=named(r"^control_model\."), remedy=NOT_READ, steers=True),
    OtherModel(
        what="a T2I-Adapter",
        found=named(r"^(adapter\.)?body\.\d+\.(resnets\.\d+\.)?(block[12]|in_conv)\."),
        remedy=NOT_READ,
        steers=True,
    ),
    OtherModel(
        what="a motion module (AnimateDiff)", found=named(r"motion_modules\.|temporal_transformer\."), remedy=NOT_READ
    ),
    OtherModel(
        what="a hypernetwork",
        found=named(r"^(320|640|768|1024|1280|2048)\.[01]\.linear"),
        remedy=NOT_READ,
        steers=True,
    ),
    OtherModel(
        what="an upscaler of pictures (ESRGAN and its kin)",
        found=named(
            r"^(module\.|params(_ema)?\.)?(conv_first\.|body\.\d+\.rdb1\.|RRDB_trunk\.|trunk_conv\.|model\.1\.sub\.\d)"
            r"|^layers\.\d+\.residual_group\."
        ),
        remedy=NOT_READ,
    ),
    OtherModel(what="FLUX.1 Redux, an image encoder", found=named(r"^redux_(up|down)\."), remedy=NOT_READ),
    OtherModel(
        what="a safety checker", found=named(r"^(concept_embeds|special_care_embeds)(_weights)?$"), remedy=NOT_READ
    ),
    OtherModel(
        what="a CLIP text encoder",
        found=named(r"^(text_model\.|embeddings\.token_embedding\.|token_embedding\.|transformer\.resblocks\.)"),
        remedy=f"{BESIDE} --text-encoder or --text-encoder-2.",
    ),
    OtherModel(
        what="a T5 text encoder",
        found=named(r"^(shared\.weight$|encoder\.block\.\d+\.layer\.)"),
        remedy=f"{BESIDE} --text-encoder-2 (FLUX.1) or --text-encoder-3 (Stable Diffusion 3).",
    ),
    OtherModel(what="an image encoder", found=named(r"^(vision_model|visual|embeddings\.patch_emb)"), remedy=NOT_READ),
    OtherModel(
        what="a language model",
        found=named(r"^(model\.)?(language_model\.|layers\.\d+\.self_attn\.)|^lm_head\."),
        remedy=NOT_READ,
    ),
    OtherModel(what="Stable Cascade", found=named(r"(^|\.)(clip_txt_mapper|effnet_mapper)\."), remedy=NO_RECIPE),
    OtherModel(what="AuraFlow", found=named(r"(^|\.)double_layers\.\d"), remedy=NO_RECIPE),
    OtherModel(what="PixArt", found=named(r"(^|\.)t_block\.1\.weight$"), remedy=NO_RECIPE),
    OtherModel(what="HiDream", found=named(r"(^|\.)double_stream_blocks\.\d"), remedy=NO_RECIPE),
    OtherModel(what="Lumina 2 or Z-Image", found=named(r"(^|\.)noise_refiner\.\d"), remedy=NO_RECIPE),
    OtherModel(
        what="Qwen-Image", found=named(r"(^|\.)transformer_blocks\.\d+\.(img|txt)_mod\.1\.weight$"), remedy=NO_RECIPE
    ),
    OtherModel(
        what="a video model (Hunyuan, Wan, LTX or Mochi)",
        found=named(
            r"(^|\.)(txt_in\.individual_token_refiner|blocks\.\d+\.cross_attn\.norm_[kq]|patchify_proj|t5_yproj)\."
        ),
        remedy=NO_RECIPE,
    ),
    OtherModel(
        what="FLUX.2's VAE", found=named(r"^bn\.running_mean$"), remedy="No recipe reads VAEs with a batch norm."
    ),
    OtherModel(
        what="a tiny VAE in its author's layout",
        found=named(r"(^|\.)1?3\.conv\.4\.weight$|\.pool\.0\.weight$"),
        remedy="Export it alone, with --space, and use it with --replace.",
    ),
    OtherModel(
        what="one network in diffusers' layout, whose config.json is needed to read it",
        found=named(
            r"^((unet|transformer)\.)?(down_blocks|up_blocks|transformer_blocks|single_transformer_blocks)\.\d"
        ),
        remedy="Give the directory of the whole checkpoint, which holds model_index.json.",
    ),
)
"""Looked for where no part of a model was found, the most specific first."""
