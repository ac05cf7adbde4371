"""The keys that pipelines of diffusers read or change in the configs of their parts, and in `model_index.json`.

What a part's own class reads is in `networks.py` and `schedulers.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from latentlink.export.configs.rule import Rules, inert, kept

_CORRECTED = "corrected as in export/configs/corrections.py"

PIPELINES: Mapping[str, Rules] = {
    "model_index": {
        **kept("the manifest's `unconditional`", "force_zeros_for_empty_prompt"),
        **kept("the conditions of the refiner; the base model reads none", "requires_aesthetics_score"),
        **inert("a bundle marks no pictures", "add_watermarker"),
        **inert("a bundle has no safety checker; whoever serves pictures chooses one", "requires_safety_checker"),
    },
    "scheduler": {
        **kept(_CORRECTED, "steps_offset", "clip_sample", "skip_prk_steps"),
        **kept("the manifest's schedule", "base_shift", "max_shift", "base_image_seq_len", "max_image_seq_len"),
        **kept("the manifest's schedule", "num_train_timesteps", "use_dynamic_shifting", "original_inference_steps"),
        **kept("samplers in flow form alone have these levels", "use_flow_sigmas"),
    },
    "unet": {
        **kept(f"{_CORRECTED}; the default size of pictures", "sample_size"),
        **kept(_CORRECTED, "_diffusers_version"),
        **kept("the latent's channels, with or without a mask and the picture around it", "in_channels"),
        **kept("the numbers in the conditions", "addition_time_embed_dim"),
        **kept("whether guidance is an input", "time_cond_proj_dim"),
    },
    "vae": {
        **kept("pixels per latent element", "block_out_channels"),
        **kept("the latent's channels", "latent_channels"),
        **kept("the latent space, where the family's pipelines read it", "scaling_factor", "shift_factor"),
        **kept("the latent space, where the family's pipelines read it", "latents_mean", "latents_std"),
        **kept("whether the VAE stays in float32 in a float16 export", "force_upcast"),
    },
    "transformer": {
        **kept("the latent's channels", "in_channels"),
        **kept("the default size of pictures", "sample_size"),
        **kept("the network, and what sides must be multiples of", "patch_size"),
        **kept("the width of zeros in place of an absent text encoder", "joint_attention_dim"),
        **kept("whether guidance is an input", "guidance_embeds"),
    },
    "text_encoder": {
        **kept("refused where it is on and the family's pipelines read it", "use_attention_mask"),
    },
    "text_encoder_2": {
        **kept("the width of the pooled embedding", "projection_dim"),
    },
}
"""By part: what becomes of each key."""
