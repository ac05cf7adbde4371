"""What a single file is taken for: by evidence, by the user's answer, else by a question. Never by a default."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from latentlink.errors import CheckpointError, UsageError
from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.parts.identity import latent_space
from latentlink.spaces import KNOWN_SPACES, LatentSpace

if TYPE_CHECKING:
    from tests.export.conftest import Published

Made = Callable[[str], "Published"]
PLAIN = ExportOptions()

CLASSES = {
    "sd1": ("unet", "vae", "text_encoder", "tokenizer", "scheduler"),
    "sdxl": ("unet", "vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "scheduler"),
    "sdxl-refiner": ("unet", "vae", "text_encoder_2", "tokenizer_2", "scheduler"),
    "sd3": (
        *("transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3"),
        *("tokenizer", "tokenizer_2", "tokenizer_3", "scheduler"),
    ),
    "flux-dev": ("transformer", "vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "scheduler"),
}


def with_more(file: Path, out: Path, more: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> Path:
    save_file({**load_file(file), **more}, out, metadata=metadata)
    return out


def prediction(file: Path, asked: str | None = None) -> str:
    return str(Checkpoint.open(file, ExportOptions(prediction=asked)).config("scheduler")["prediction_type"])


@pytest.mark.parametrize("family", CLASSES)
def test_the_parts_are_those_of_the_familys_published_directory(published: Made, family: str) -> None:
    made = published(family)
    checkpoint = Checkpoint.open(made.file, PLAIN)
    assert {*checkpoint.classes} == {*CLASSES[family]}
    assert {part: checkpoint.classes[part] for part in made.parts} == {p: cls for p, (cls, _) in made.parts.items()}
    assert checkpoint.label == "model"


def test_a_part_that_the_file_lacks_is_left_out_of_the_classes_and_refused(published: Made, tmp_path: Path) -> None:
    state = {name: t for name, t in load_file(published("sd3").file).items() if "t5xxl" not in name}
    save_file(state, tmp_path / "no-t5.safetensors")
    checkpoint = Checkpoint.open(tmp_path / "no-t5.safetensors", PLAIN)
    assert "text_encoder_3" not in checkpoint.classes
    with pytest.raises(CheckpointError, match="holds no text_encoder_3"):
        checkpoint.config("text_encoder_3")


def test_a_transformer_alone_is_read_with_and_without_the_prefix(published: Made, tmp_path: Path) -> None:
    prefix = "model.diffusion_model."
    whole = load_file(published("flux-dev").file)
    bare = {name.removeprefix(prefix): tensor for name, tensor in whole.items() if name.startswith(prefix)}
    save_file(bare, tmp_path / "bare.safetensors")
    save_file({prefix + name: tensor for name, tensor in bare.items()}, tmp_path / "prefixed.safetensors")
    for name in ("bare", "prefixed"):
        checkpoint = Checkpoint.open(tmp_path / f"{name}.safetensors", PLAIN)
        assert "vae" not in checkpoint.classes
        assert checkpoint.config("transformer")["guidance_embeds"] is True
        assert checkpoint.config("scheduler")["use_dynamic_shifting"] is True


def test_without_a_guidance_layer_the_shift_is_schnells(published: Made, tmp_path: Path) -> None:
    state = {name: t for name, t in load_file(published("flux-dev").file).items() if "guidance_in" not in name}
    save_file(state, tmp_path / "schnell.safetensors")
    scheduler = Checkpoint.open(tmp_path / "schnell.safetensors", PLAIN).config("scheduler")
    assert (scheduler["shift"], scheduler["use_dynamic_shifting"]) == (1.0, False)


def test_the_key_v_pred_says_v_prediction_and_ztsnr_the_noise_levels(published: Made, tmp_path: Path) -> None:
    keys = {"v_pred": torch.zeros(1), "ztsnr": torch.zeros(1)}
    file = with_more(published("sdxl").file, tmp_path / "v.safetensors", keys)
    scheduler = Checkpoint.open(file, PLAIN).config("scheduler")
    assert scheduler["prediction_type"] == "v_prediction"
    assert scheduler["rescale_betas_zero_snr"] is True
    assert prediction(published("sdxl").file) == "epsilon"
    with pytest.raises(CheckpointError, match="'v_pred', which says v_prediction"):
        prediction(file, "epsilon")


def test_stable_diffusion_2_without_evidence_is_a_question_whatever_global_step_says(
    published: Made, tmp_path: Path
) -> None:
    step = {"global_step": torch.tensor(875000)}
    for file in (published("sd2").file, with_more(published("sd2").file, tmp_path / "step.safetensors", step)):
        with pytest.raises(
            CheckpointError, match=r"Which is it\? .* --prediction epsilon or --prediction v_prediction"
        ):
            Checkpoint.open(file, PLAIN)
        assert prediction(file, "epsilon") == "epsilon"
        assert prediction(file, "v_prediction") == "v_prediction"


def test_the_side_that_stable_diffusion_2_was_trained_at_goes_with_its_prediction(published: Made) -> None:
    for asked, side in (("epsilon", 64), ("v_prediction", 96)):
        checkpoint = Checkpoint.open(published("sd2").file, ExportOptions(prediction=asked))
        assert checkpoint.config("unet")["sample_size"] == side


def test_the_headers_modelspec_is_evidence_that_the_user_may_overrule(published: Made, tmp_path: Path) -> None:
    said = {"modelspec.prediction_type": "v"}
    file = with_more(published("sd2").file, tmp_path / "said.safetensors", {}, said)
    assert prediction(file) == "v_prediction"
    assert prediction(file, "epsilon") == "epsilon"
    other = {"modelspec.prediction_type": "epsilon"}
    torn = with_more(published("sd2").file, tmp_path / "torn.safetensors", {"v_pred": torch.zeros(1)}, other)
    with pytest.raises(CheckpointError, match="contradicts itself"):
        prediction(torn)


def test_a_flow_is_not_asked_about_and_an_unknown_prediction_is_refused(published: Made) -> None:
    with pytest.raises(CheckpointError, match="predicts a flow"):
        Checkpoint.open(published("flux-dev").file, ExportOptions(prediction="epsilon"))
    with pytest.raises(UsageError, match="'velocity'"):
        ExportOptions(prediction="velocity")


def test_a_denoiser_preconditioned_as_in_edm_is_refused(published: Made, tmp_path: Path) -> None:
    keys = {"edm_mean": torch.zeros(4), "edm_std": torch.ones(4)}
    with pytest.raises(CheckpointError, match="EDM"):
        Checkpoint.open(with_more(published("sdxl").file, tmp_path / "edm.safetensors", keys), PLAIN)


def test_no_vae_of_a_single_file_states_an_affine(published: Made) -> None:
    for family in ("sd1", "sdxl", "sd3", "flux-dev"):
        config = Checkpoint.open(published(family).file, PLAIN).config("vae")
        assert not {"scaling_factor", "shift_factor", "latents_mean", "latents_std"} & config.keys()


def space_of(file: Path, asked: str | None = None) -> LatentSpace:
    from diffusers import AutoencoderKL

    checkpoint = Checkpoint.open(file, PLAIN)
    assert checkpoint.classes == {"vae": "AutoencoderKL"}
    return latent_space(
        config=checkpoint.config("vae"),
        vae_state=checkpoint.network("vae", AutoencoderKL).state_dict(),
        candidate=None,
        option=asked,
        label=checkpoint.label,
    )


@pytest.mark.parametrize(
    ("channels", "remedy"),
    [
        (4, r"--space sd\|sdxl\|playground-v2\.5\|movq"),
        (16, r"--space sd3\|flux1\|wan21"),
        (32, "no known space has 32 channels, /8"),
    ],
)
def test_a_vae_alone_is_no_familys_until_the_user_says_so(
    bare_vae: Callable[[int], Path], channels: int, remedy: str
) -> None:
    with pytest.raises(CheckpointError, match=remedy):
        space_of(bare_vae(channels))


def test_the_users_answer_is_taken_where_the_channels_agree(bare_vae: Callable[[int], Path]) -> None:
    assert space_of(bare_vae(4), "sdxl") == KNOWN_SPACES["sdxl"]
    assert space_of(bare_vae(16), "flux1") == KNOWN_SPACES["flux1"]
    with pytest.raises(CheckpointError, match="--space sd means 4 channels"):
        space_of(bare_vae(16), "sd")


def test_a_vae_alone_in_diffusers_layout_is_read_with_the_old_names_of_attention(tmp_path: Path) -> None:
    from diffusers import AutoencoderKL

    torch.manual_seed(1)
    vae = AutoencoderKL(block_out_channels=(32,), latent_channels=4)
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    state = {}
    for name, tensor in vae.state_dict().items():
        for new, before in old.items():
            name = name.replace(f"attentions.0.{new}.", f"attentions.0.{before}.")
        state[name] = tensor
    assert any("proj_attn" in name for name in state)
    save_file(state, tmp_path / "vae.safetensors")
    loaded = Checkpoint.open(tmp_path / "vae.safetensors", PLAIN).network("vae", AutoencoderKL)
    for name, tensor in vae.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


@pytest.mark.parametrize("options", [ExportOptions(prediction="epsilon"), ExportOptions(tokenizer=Path("clip"))])
def test_an_answer_that_a_vae_alone_does_not_ask_for_is_refused(
    bare_vae: Callable[[int], Path], tiny: Path, options: ExportOptions
) -> None:
    for path in (bare_vae(4), tiny / "vae"):
        with pytest.raises(CheckpointError, match="holds a VAE alone"):
            Checkpoint.open(path, options)
