"""The keys of the configs of networks: every key of every class that recipes load.

Most are arguments of the network, which is made by its own class and traced as a whole. A rule is checked where the
network's interface depends on the value.
"""

from __future__ import annotations

from collections.abc import Mapping

from latentlink.export.configs.rule import OFF, UNSET, Rules, inert, kept, only, within

_INSIDE = "part of the network"
_CHANNELS = "compared with the latent's channels"
_SIZE = "the default size of pictures"
_AFFINE = "the latent space; with no scaling_factor it is decided from other evidence"

PICTURES: Rules = only((3,), "3, as pictures are RGB", "in_channels", "out_channels")

UNET: Rules = {
    **only(UNSET, "a network without class conditioning", "class_embed_type", "num_class_embeds"),
    **only((None, "text_proj"), "a network that reads the prompt and no picture", "encoder_hid_dim_type"),
    **only((None, "text_time"), "a network that reads the prompt and, at most, sizes", "addition_embed_type"),
    **kept(_CHANNELS, "in_channels", "out_channels"),
    **kept(_SIZE, "sample_size"),
    **within(4, 65_536, "whether guidance is an input", "time_cond_proj_dim"),
    **only((0, 1), "0 or 1, as of blocks that halve their input", "downsample_padding"),
    **kept("compared with the width of the text encoders", "cross_attention_dim", "encoder_hid_dim"),
    **kept(
        "compared with the numbers in the conditions",
        "addition_time_embed_dim",
        "projection_class_embeddings_input_dim",
    ),
    **kept("the network, and what sides must be multiples of", "block_out_channels"),
    **kept(
        _INSIDE,
        "act_fn",
        "addition_embed_type_num_heads",
        "attention_head_dim",
        "attention_type",
        "center_input_sample",
        "class_embeddings_concat",
        "conv_in_kernel",
        "conv_out_kernel",
        "cross_attention_norm",
        "down_block_types",
        "dropout",
        "dual_cross_attention",
        "flip_sin_to_cos",
        "freq_shift",
        "layers_per_block",
        "mid_block_only_cross_attention",
        "mid_block_scale_factor",
        "mid_block_type",
        "norm_eps",
        "norm_num_groups",
        "num_attention_heads",
        "only_cross_attention",
        "resnet_out_scale_factor",
        "resnet_skip_time_act",
        "resnet_time_scale_shift",
        "reverse_transformer_layers_per_block",
        "time_embedding_act_fn",
        "time_embedding_dim",
        "time_embedding_type",
        "timestep_post_act",
        "transformer_layers_per_block",
        "up_block_types",
        "upcast_attention",
        "use_linear_projection",
    ),
}

AUTOENCODER: Rules = {
    **PICTURES,
    **kept("pixels per latent element", "block_out_channels"),
    **kept("the latent's channels", "latent_channels"),
    **kept(_AFFINE, "scaling_factor", "shift_factor", "latents_mean", "latents_std"),
    **kept("whether it stays in float32 in a float16 export", "force_upcast"),
    **kept("the default size of pictures of a VAE alone", "sample_size"),
    **kept(
        _INSIDE,
        "act_fn",
        "down_block_types",
        "layers_per_block",
        "mid_block_add_attention",
        "norm_num_groups",
        "up_block_types",
        "use_post_quant_conv",
        "use_quant_conv",
    ),
}

TINY_AUTOENCODER: Rules = {
    **PICTURES,
    **kept(
        "pixels per latent element",
        "decoder_block_out_channels",
        "encoder_block_out_channels",
        "num_decoder_blocks",
        "num_encoder_blocks",
        "upsampling_scaling_factor",
    ),
    **kept("the latent's channels", "latent_channels"),
    **kept("its own affine", "scaling_factor", "shift_factor"),
    **kept(_INSIDE, "act_fn", "upsample_fn"),
    **inert("they scale latents to 8 bits, which no pipeline does", "latent_magnitude", "latent_shift"),
    **inert("its activations fit float16", "force_upcast"),
}

JOINT_TRANSFORMER: Rules = {
    **kept(_CHANNELS, "in_channels", "out_channels"),
    **kept(_SIZE, "sample_size"),
    **kept("the network, and what sides must be multiples of", "patch_size"),
    **kept("compared with the width of the text encoders", "joint_attention_dim", "pooled_projection_dim"),
    **kept(
        _INSIDE,
        "attention_head_dim",
        "caption_projection_dim",
        "dual_attention_layers",
        "num_attention_heads",
        "num_layers",
        "pos_embed_max_size",
        "qk_norm",
    ),
}

PACKED_TRANSFORMER: Rules = {
    **only((1,), "1, as latents are packed before the network", "patch_size"),
    **kept(_CHANNELS, "in_channels", "out_channels"),
    **kept("whether guidance is an input", "guidance_embeds"),
    **kept("compared with the width of the text encoders", "joint_attention_dim", "pooled_projection_dim"),
    **kept(
        _INSIDE,
        "attention_head_dim",
        "axes_dims_rope",
        "num_attention_heads",
        "num_layers",
        "num_single_layers",
    ),
}

MASKED_TEXT: Rules = only(OFF, "an encoder that reads padding as it reads words", "use_attention_mask")
"""A key that some pipelines read, and the encoder's class does not have."""

NETWORKS: Mapping[str, Rules] = {
    "UNet2DConditionModel": UNET,
    "AutoencoderKL": AUTOENCODER,
    "AutoencoderTiny": TINY_AUTOENCODER,
    "SD3Transformer2DModel": JOINT_TRANSFORMER,
    "FluxTransformer2DModel": PACKED_TRANSFORMER,
}
"""By class of diffusers: what becomes of each key."""
