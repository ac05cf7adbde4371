"""What recipes read in the configs of a checkpoint: defaults that follow from them, and what they refuse in them."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from latentlink.bench.checkpoints import make_checkpoint
from latentlink.engine.bundle import Sampling
from latentlink.errors import CheckpointError
from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.configs import declared_keys
from latentlink.export.parts import clip_tokenizer, load_vae
from latentlink.export.recipes import RECIPES, find_recipe
from latentlink.runtime.samplers import read_schedule

Changed = Callable[..., Checkpoint]

LEFT_OUT = object()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    root = tmp_path_factory.mktemp("configs")
    return cache(lambda size: make_checkpoint(size, root / size))


@pytest.fixture
def changed(made: Callable[[str], Path], tmp_path: Path) -> Changed:
    """A checkpoint whose parts' configs say something else; a value of LEFT_OUT leaves a key out."""

    def change(size: str, **parts: dict[str, Any]) -> Checkpoint:
        shutil.copytree(made(size), tmp_path / size)
        for part, changes in parts.items():
            name = "scheduler_config.json" if part == "scheduler" else "config.json"
            config = tmp_path / size / part / name
            said = json.loads(config.read_text()) | changes
            config.write_text(json.dumps({key: value for key, value in said.items() if value is not LEFT_OUT}))
            if part == "scheduler" and "_class_name" in changes:
                change_index(tmp_path / size, scheduler=["diffusers", changes["_class_name"]])
        return Checkpoint.open(tmp_path / size, ExportOptions())

    return change


def change_index(root: Path, **entries: object) -> None:
    index = json.loads((root / "model_index.json").read_text()) | entries
    (root / "model_index.json").write_text(json.dumps(index))


def sampling(checkpoint: Checkpoint) -> Sampling:
    return Sampling.from_json(find_recipe(checkpoint, "auto")[1].sampling(checkpoint))


LCM = {"_class_name": "LCMScheduler"}


@pytest.mark.parametrize("size", ["tiny-sd1", "tiny-sdxl"])
def test_a_consistency_model_that_reads_no_guidance_is_not_guided(changed: Changed, size: str) -> None:
    defaults = sampling(changed(size, scheduler=LCM))
    assert (defaults.sampler, defaults.steps, defaults.guidance) == ("lcm", 4, 1.0)


TRAILING = {"timestep_spacing": "trailing"}


@pytest.mark.parametrize("why", [{"rescale_betas_zero_snr": True}, {"prediction_type": "v_prediction"}])
def test_trailing_spacing_is_no_sign_of_distillation_where_something_else_asks_for_it(
    changed: Changed, why: dict[str, Any]
) -> None:
    defaults = sampling(changed("tiny-sdxl", scheduler={**TRAILING, **why}))
    assert (defaults.steps, defaults.guidance) == (50, 5.0)


def test_a_size_may_be_height_and_width(changed: Changed) -> None:
    defaults = sampling(changed("tiny-sd1", unet={"sample_size": [32, 64]}))
    factor = defaults.width // 64
    assert (defaults.height, defaults.width) == (32 * factor, 64 * factor)


MULTIPLES = {"tiny-sd1": 8, "tiny-sd2": 8, "tiny-sdxl": 8, "tiny-sdxl-refiner": 8, "tiny-sd3": 16, "tiny-flux-dev": 16}


@pytest.mark.parametrize(("size", "multiple"), MULTIPLES.items())
def test_sides_are_multiples_of_what_the_vae_and_the_patches_need(changed: Changed, size: str, multiple: int) -> None:
    assert sampling(changed(size)).size_multiple == multiple


def test_a_unet_that_only_doubles_needs_sides_that_its_levels_divide(changed: Changed) -> None:
    blocks = ["ResnetUpsampleBlock2D"] * 3
    assert sampling(changed("tiny-sdxl-refiner", unet={"up_block_types": blocks})).size_multiple == 8 * 4


@pytest.mark.parametrize("size", [[64], ["64", "64"], "64", [64, 0]])
def test_a_size_that_is_none_is_refused(changed: Changed, size: object) -> None:
    with pytest.raises(CheckpointError, match=r"sample_size .*; expected a whole number"):
        sampling(changed("tiny-sd1", unet={"sample_size": size}))


@pytest.mark.parametrize(
    ("size", "config", "found"),
    [
        ("tiny-sd1", {"in_channels": 8}, "in_channels 8; expected 4, .* or 9, .* such as a picture to edit"),
        ("tiny-sd2", {"in_channels": 5}, "in_channels 5; expected 4, .* such as a depth map"),
        ("tiny-sdxl", {"in_channels": 7}, "in_channels 7; expected 4"),
        ("tiny-sdxl-refiner", {"in_channels": 9}, "in_channels 9; expected 4, those of the VAE's latent\\."),
        (
            "tiny-sd1",
            {"class_embed_type": "timestep"},
            "class_embed_type 'timestep'; expected .* without class",
        ),
        ("tiny-sd1", {"num_class_embeds": 1000}, "num_class_embeds 1000; expected .* without class"),
        ("tiny-sd1", {"out_channels": 8}, "out_channels 8; expected 4"),
        ("tiny-sd1", {"addition_embed_type": "image"}, "addition_embed_type 'image'; expected"),
        ("tiny-sd1", {"addition_embed_type": "text"}, "addition_embed_type 'text'; expected"),
        ("tiny-sdxl", {"addition_embed_type": LEFT_OUT}, "addition_embed_type None; expected 'text_time'"),
        ("tiny-sd2", {"encoder_hid_dim_type": "ip_image_proj"}, "encoder_hid_dim_type 'ip_image_proj'; expected"),
        ("tiny-sd1", {"cross_attention_dim": LEFT_OUT}, "cross_attention_dim 1280; expected 36, as hidden_size is 36"),
        ("tiny-sdxl", {"cross_attention_dim": 36}, "cross_attention_dim 36; expected 88, as .* 36 .* and 52 of"),
        ("tiny-sdxl", {"addition_time_embed_dim": 8}, "projection_class_embeddings_input_dim .* times the 6 numbers"),
        ("tiny-sdxl-refiner", {"addition_time_embed_dim": 8}, "input_dim .* times the 5 numbers of its conditions"),
    ],
)
def test_a_unet_that_reads_what_no_port_carries_is_refused(
    changed: Changed, size: str, config: dict[str, Any], found: str
) -> None:
    with pytest.raises(CheckpointError, match=found):
        sampling(changed(size, unet=config))


@pytest.mark.parametrize(
    ("size", "config", "found"),
    [
        (
            "tiny-flux-dev",
            {"in_channels": 128, "out_channels": 64},
            "in_channels 128; expected 64, .* to edit or to follow",
        ),
        ("tiny-flux-schnell", {"in_channels": 384, "out_channels": 64}, "in_channels 384; expected 64"),
        ("tiny-flux-dev", {"out_channels": 128}, "out_channels 128; expected 64"),
        ("tiny-flux-dev", {"patch_size": 2}, "patch_size 2; expected 1"),
        ("tiny-flux-dev", {"joint_attention_dim": LEFT_OUT}, "joint_attention_dim 4096; expected .* d_model is"),
        ("tiny-flux-dev", {"pooled_projection_dim": 37}, "pooled_projection_dim 37; expected 36"),
        ("tiny-sd3", {"in_channels": 33}, "in_channels 33; expected 16"),
        ("tiny-sd3", {"out_channels": 32}, "out_channels 32; expected 16"),
        ("tiny-sd3", {"pooled_projection_dim": LEFT_OUT}, "pooled_projection_dim 2048; expected 88"),
        ("tiny-sd3", {"joint_attention_dim": 4096}, "joint_attention_dim 4096; expected"),
        ("tiny-sd3", {"sample_size": "8"}, "sample_size '8'; expected a whole number"),
    ],
)
def test_a_transformer_that_reads_what_no_port_carries_is_refused(
    changed: Changed, size: str, config: dict[str, Any], found: str
) -> None:
    with pytest.raises(CheckpointError, match=found):
        sampling(changed(size, transformer=config))


DENOISED = {
    "sd1": "tiny-sd1",
    "sd2": "tiny-sd2",
    "sdxl": "tiny-sdxl",
    "sdxl-refiner": "tiny-sdxl-refiner",
    "sd3": "tiny-sd3",
    "flux1": "tiny-flux-dev",
}


def test_every_recipe_with_a_denoiser_is_tried_below() -> None:
    assert {*DENOISED} == {name for name, recipe in RECIPES.items() if "denoiser" in recipe.names}


@pytest.mark.parametrize(("family", "size"), DENOISED.items())
@pytest.mark.parametrize("key", ["in_channels", "out_channels"])
def test_no_recipe_takes_a_denoiser_that_reads_or_writes_channels_of_no_port(
    changed: Changed, family: str, size: str, key: str
) -> None:
    checkpoint = changed(size)
    part = "unet" if "unet" in checkpoint.classes else "transformer"
    path, stated = checkpoint.root / part / "config.json", checkpoint.config(part)
    latent = 64 if family == "flux1" else stated["in_channels"]
    refused = {*range(1, 40), 2 * latent, 6 * latent} - {latent}
    if key == "in_channels" and family in ("sd1", "sd2", "sdxl"):
        refused -= {2 * latent + 1}
    for channels in sorted(refused):
        path.write_text(json.dumps({**stated, "out_channels": latent, key: channels}))
        with pytest.raises(CheckpointError, match=f"{part} has {key} {channels}; expected {latent}, those of the VAE"):
            sampling(checkpoint)


HOSTILE: tuple[Any, ...] = (
    "text",
    [],
    ["a"],
    {},
    None,
    True,
    -1,
    0,
    10**9,
    1e308,
    float("inf"),
    [[1], [2]],
    0.5,
    [10**9] * 4,
)


@pytest.mark.parametrize("size", DENOISED.values())
def test_whatever_a_config_holds_is_read_or_refused_in_a_sentence(changed: Changed, size: str) -> None:
    checkpoint, choose, refused = changed(size), random.Random(3), 0
    for _ in range(100):
        part = choose.choice([part for part in checkpoint.classes if not part.startswith("tokenizer")])
        path = checkpoint.root / part / ("scheduler_config.json" if part == "scheduler" else "config.json")
        stated = path.read_text()
        keys = [*declared_keys(checkpoint.classes[part]), "_class_name", "_use_default_values", "_diffusers_version"]
        key, value = choose.choice(sorted(keys)), choose.choice(HOSTILE)
        path.write_text(json.dumps({**json.loads(stated), key: value}))
        try:
            read = sampling(checkpoint)
            read_schedule(read.schedule)
        except CheckpointError as error:
            refused += 1
            assert len(str(error)) < 600, f"{part}: {key}"
        path.write_text(stated)
    assert refused > 20


@pytest.mark.parametrize(
    ("size", "config", "said"),
    [
        ("tiny-sd1", {"num_train_timesteps": 10**9}, "num_train_timesteps 1000000000; expected a whole number from 2"),
        ("tiny-sd1", {"beta_start": 0.5}, "beta_start 0.5 and beta_end 0.012; expected noise that grows"),
        ("tiny-sd1", {"beta_end": -0.1}, "beta_end -0.1; expected a number from 1e-09 to 0.999"),
        (
            "tiny-sd1",
            {"use_karras_sigmas": True, "use_beta_sigmas": True},
            "use_karras_sigmas True and use_beta_sigmas True; expected at most one",
        ),
        ("tiny-sd3", {"shift": 0}, "shift 0; expected a number from 0.001 to 1,000.0"),
        (
            "tiny-flux-dev",
            {"base_image_seq_len": 5000, "use_dynamic_shifting": True},
            "base_image_seq_len 5000 and max_image_seq_len 4096; expected a base below",
        ),
    ],
)
def test_a_schedule_that_no_sampler_reads_is_refused(
    changed: Changed, size: str, config: dict[str, Any], said: str
) -> None:
    with pytest.raises(CheckpointError, match=said):
        sampling(changed(size, scheduler=config))


@pytest.mark.parametrize("size", ["tiny-sd3", "tiny-flux-dev"])
def test_a_scheduler_without_flows_is_refused_in_a_family_of_flows(changed: Changed, size: str) -> None:
    with pytest.raises(
        CheckpointError, match="EulerDiscreteScheduler, of a model with a noise schedule; expected Flow"
    ):
        sampling(changed(size, scheduler={"_class_name": "EulerDiscreteScheduler"}))


@pytest.mark.parametrize("key", ["sample_size", "block_out_channels", "down_block_types", "in_channels"])
def test_a_unets_keys_may_be_left_out_where_its_class_has_defaults(changed: Changed, key: str) -> None:
    defaults = sampling(changed("tiny-sd1", unet={key: LEFT_OUT}))
    assert (defaults.width // 8) % (defaults.size_multiple // 8) == 0


def test_an_encoder_that_masks_padding_is_refused_where_the_pipeline_reads_that(changed: Changed) -> None:
    with pytest.raises(CheckpointError, match="text_encoder has use_attention_mask True; expected"):
        sampling(changed("tiny-sd1", text_encoder={"use_attention_mask": True}))


@pytest.mark.parametrize("stated", [LEFT_OUT, "PNDMScheduler", "NoSuchScheduler"])
def test_the_schedulers_class_is_that_of_the_index(changed: Changed, stated: object) -> None:
    checkpoint = changed("tiny-sdxl", scheduler={"timestep_spacing": "leading"})
    path = checkpoint.root / "scheduler/scheduler_config.json"
    config = json.loads(path.read_text()) | {"_class_name": stated}
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not LEFT_OUT}))
    assert sampling(checkpoint).sampler == "euler"
    found = "names no class" if stated is LEFT_OUT else f"says {stated}"
    said = (
        f"scheduler_config.json {found}; model_index.json says EulerDiscreteScheduler, which is used, as by diffusers"
    )
    assert find_recipe(checkpoint, "auto")[1].notes(checkpoint) == {"scheduler": said}


@pytest.mark.parametrize(
    ("size", "family", "pipeline", "own"),
    [
        ("tiny-flux-dev", "flux1", "FluxKontextPipeline", "FluxPipeline"),
        ("tiny-sd1", "sd1", "StableDiffusionPAGPipeline", "StableDiffusionPipeline"),
        ("tiny-sdxl", "sdxl", "KolorsPipeline", "StableDiffusionXLPipeline"),
        ("tiny-sd1", "sd1", "MyPipeline", "StableDiffusionPipeline"),
    ],
)
def test_another_pipeline_than_the_recipe_stands_for_is_refused_unless_the_family_is_stated(
    changed: Changed, size: str, family: str, pipeline: str, own: str
) -> None:
    checkpoint = changed(size)
    change_index(checkpoint.root, _class_name=pipeline)
    checkpoint = Checkpoint.open(checkpoint.root, ExportOptions())
    words = f"model_index.json names {pipeline}, which may draw other pictures than {own}"
    with pytest.raises(CheckpointError, match=rf"{words}\. .*--family {family}"):
        find_recipe(checkpoint, "auto")
    note = find_recipe(checkpoint, family)[1].notes(checkpoint)["pipeline"]
    assert note == f"{words}; exported as for {own}"


@pytest.mark.parametrize("pipeline", ["StableDiffusionImg2ImgPipeline", "OnnxStableDiffusionPipeline", None])
def test_the_familys_own_pipelines_are_read_without_a_word(changed: Changed, pipeline: str | None) -> None:
    checkpoint = changed("tiny-sd1")
    change_index(checkpoint.root, _class_name=pipeline)
    checkpoint = Checkpoint.open(checkpoint.root, ExportOptions())
    assert "pipeline" not in find_recipe(checkpoint, "auto")[1].notes(checkpoint)


@pytest.mark.parametrize("part", ["text_encoder_2", "text_encoder"])
def test_a_family_without_one_of_its_text_encoders_is_no_other_family(changed: Changed, part: str) -> None:
    checkpoint = changed("tiny-sdxl")
    change_index(checkpoint.root, **{part: [None, None]})
    checkpoint = Checkpoint.open(checkpoint.root, ExportOptions())
    found = {
        "text_encoder_2": r"denoiser of Stable Diffusion XL, but lacks text_encoder_2 \(CLIP.*: --text-encoder-2 X",
        # the parts of a refiner, which has another pipeline
        "text_encoder": "names StableDiffusionXLPipeline, which may draw other pictures than",
    }
    with pytest.raises(CheckpointError, match=found[part]):
        sampling(checkpoint)


def test_a_refiner_reads_the_score_that_its_index_asks_for(changed: Changed) -> None:
    checkpoint = changed("tiny-sdxl-refiner")
    unet = checkpoint.config("unet")
    sixth = unet["projection_class_embeddings_input_dim"] + unet["addition_time_embed_dim"]
    path = checkpoint.root / "unet/config.json"
    change_index(checkpoint.root, requires_aesthetics_score=False)
    checkpoint = Checkpoint.open(checkpoint.root, ExportOptions())
    with pytest.raises(CheckpointError, match="requires_aesthetics_score in model_index"):
        sampling(checkpoint)
    path.write_text(json.dumps({**unet, "projection_class_embeddings_input_dim": sixth}))
    assert {*sampling(checkpoint).conditions} == {"original_size", "crop", "target_size"}


@pytest.mark.parametrize(("length", "read"), [(40, 40), (77, 77), (1000, 77), (10**30, 77)])
def test_a_prompt_is_as_long_as_tokenizer_and_encoder_both_allow(changed: Changed, length: int, read: int) -> None:
    checkpoint = changed("tiny-sd1")
    path = checkpoint.root / "tokenizer/tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_max_length": length}))
    assert clip_tokenizer(path.parent, 77).max_length == read


@pytest.mark.parametrize(
    ("family", "config", "space"),
    [
        ("tiny-sd1", {"shift_factor": 0.1}, {"shift": 0.0}),
        ("tiny-sd1", {"latents_mean": [0.1] * 4, "latents_std": [2.0] * 4}, {"mean": None, "std": None}),
        ("tiny-sdxl", {"shift_factor": 0.1}, {"shift": 0.0}),
        ("tiny-sdxl", {"latents_mean": [0.1] * 4, "latents_std": [2.0] * 4}, {"mean": (0.1,) * 4, "std": (2.0,) * 4}),
        ("tiny-sdxl", {"latents_mean": [0.1] * 4}, {"mean": None, "std": None}),
        ("tiny-flux-dev", {"shift_factor": 0.1}, {"shift": 0.1}),
        ("tiny-sd3", {"shift_factor": None}, {"shift": 0.0}),
        ("tiny-flux-dev", {"latents_mean": [0.1] * 16, "latents_std": [2.0] * 16}, {"mean": None, "std": None}),
    ],
)
def test_the_space_has_what_the_familys_pipelines_read_of_the_vaes_config(
    changed: Changed, family: str, config: dict[str, Any], space: dict[str, Any]
) -> None:
    checkpoint = changed(family, vae={"scaling_factor": 0.4, **config})
    first = next(iter(find_recipe(checkpoint, "auto")[1].components(checkpoint, ExportOptions())))
    assert {key: getattr(first.spaces[0], key) for key in space} == space


@pytest.mark.parametrize(
    ("config", "size"),
    [({"sample_size": [64, 128]}, (64, 128)), ({"sample_size": LEFT_OUT}, (512, 512)), ({"sample_size": 70}, (64, 64))],
)
def test_a_vae_alone_has_the_size_of_its_config(
    changed: Changed, config: dict[str, Any], size: tuple[int, int]
) -> None:
    root = changed("tiny-sd1", vae=config).root / "vae"
    defaults = sampling(Checkpoint.open(root, ExportOptions()))
    assert (defaults.height, defaults.width) == size


@pytest.mark.parametrize("key", ["in_channels", "out_channels"])
def test_a_vae_of_other_pictures_than_rgb_is_refused(changed: Changed, key: str) -> None:
    with pytest.raises(CheckpointError, match=f"VAE has {key} 4; expected 3, as pictures are RGB"):
        load_vae(changed("tiny-sd1", vae={key: 4}), ExportOptions(), candidate=None)


@pytest.mark.parametrize("size", ["tiny-sd1", "tiny-sdxl", "tiny-sd3", "tiny-flux-dev"])
@pytest.mark.parametrize("config", [{"block_out_channels": []}, {"latent_channels": 0}])
def test_a_vae_without_a_layout_is_refused(changed: Changed, size: str, config: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError, match=r"VAE's config has block_out_channels .* and latent_channels"):
        sampling(changed(size, vae=config))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"latents_mean": 5}, "latents_mean 5; expected a list of numbers"),
        ({"latents_std": [1.0]}, r"latents_std \[1.0\]; expected 4 numbers"),
        ({"scaling_factor": "0.2"}, "scaling_factor '0.2'; expected a number"),
        ({"latent_channels": 0}, "latent_channels 0; expected"),
    ],
)
def test_a_vaes_affine_is_checked_before_its_network_is_made(
    changed: Changed, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], said: str
) -> None:
    checkpoint = changed("tiny-sd1", vae=config)
    monkeypatch.setattr(Checkpoint, "network", None)
    with pytest.raises(CheckpointError, match=said):
        load_vae(checkpoint, ExportOptions(), candidate=None)
