"""Parts that are given to a checkpoint: the same networks as in the whole model, and what does not fit is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from latentlink.errors import CheckpointError, UsageError
from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.parts.vae import load_vae
from latentlink.export.recipes import find_recipe
from latentlink.spaces import KNOWN_SPACES
from tests.export.checkpoints.small_tokenizer import write_small_tokenizer
from tests.export.conftest import network_class

if TYPE_CHECKING:
    from tests.export.conftest import Published

Made = Callable[[str], "Published"]
UNET = "model.diffusion_model."
WEIGHTS = {"vae": "diffusion_pytorch_model.safetensors"}


def denoiser_alone(file: Path, out: Path, prefix: str = "") -> Path:
    state = load_file(file)
    save_file({prefix + n.removeprefix(UNET): t for n, t in state.items() if n.startswith(UNET)}, out)
    return out


def open_with(path: Path, **parts: str | Path) -> Checkpoint:
    return Checkpoint.open(path, ExportOptions(parts=parts))


def same_network(one: Checkpoint, other: Checkpoint, part: str, cls: str) -> bool:
    found, wanted = (checkpoint.network(part, network_class(cls)).state_dict() for checkpoint in (one, other))
    return found.keys() == wanted.keys() and all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("family", ["sd1", "sd3", "flux-dev"])
@pytest.mark.parametrize("form", ["whole directory", "directory of the part", "file of the part", "whole file"])
def test_a_denoiser_with_its_parts_given_is_the_whole_model(
    published: Made, tmp_path: Path, family: str, form: str
) -> None:
    made = published(family)
    where: dict[str, Callable[[str], Path]] = {
        "whole directory": lambda part: made.directory,
        "directory of the part": lambda part: made.directory / part,
        "file of the part": lambda part: made.directory / part / WEIGHTS.get(part, "model.safetensors"),
        "whole file": lambda part: made.file,
    }
    parts = [part for part in made.parts if part not in ("unet", "transformer")]
    found = open_with(
        denoiser_alone(made.file, tmp_path / "alone.safetensors"), **{part: where[form](part) for part in parts}
    )
    whole = Checkpoint.open(made.file, ExportOptions())
    assert found.classes == whole.classes
    for part, (cls, _) in made.parts.items():
        assert same_network(found, whole, part, cls), part
    name, recipe = find_recipe(found, "auto")
    assert (name, recipe.sampling(found)) == (name, recipe.sampling(whole))


@pytest.mark.parametrize("family", ["sd1", "sdxl", "sd3", "flux-dev"])
@pytest.mark.parametrize("prefix", [UNET, "diffusion_model.", ""])
def test_a_denoiser_alone_is_told_its_family_and_all_that_it_lacks(
    published: Made, tmp_path: Path, family: str, prefix: str
) -> None:
    made = published(family)
    checkpoint = Checkpoint.open(denoiser_alone(made.file, tmp_path / "alone.safetensors", prefix), ExportOptions())
    title = {"sd1": "Stable Diffusion 1", "sdxl": "Stable Diffusion XL", "sd3": "Stable Diffusion 3"}.get(
        family, "FLUX"
    )
    with pytest.raises(CheckpointError, match=f"holds the denoiser of {title}.*, but lacks text_encoder") as refused:
        find_recipe(checkpoint, "auto")
    for part in made.parts:
        # Stable Diffusion 3 can do without T5
        needed = part not in ("unet", "transformer", "text_encoder_3")
        assert (f"--{part.replace('_', '-')} X" in str(refused.value)) == needed, part


def test_a_moving_average_alone_is_read_as_the_denoiser(published: Made, tmp_path: Path) -> None:
    for family in ("sd1", "sdxl"):
        state = load_file(published(family).file)
        average = {
            f"model_ema.{name.removeprefix('model.').replace('.', '')}" if name.startswith(UNET) else name: tensor
            for name, tensor in state.items()
        }
        save_file(average, tmp_path / f"{family}.safetensors")
        found = Checkpoint.open(tmp_path / f"{family}.safetensors", ExportOptions())
        whole = Checkpoint.open(published(family).file, ExportOptions())
        assert find_recipe(found, "auto")[0] == family
        assert same_network(found, whole, "unet", "UNet2DConditionModel")
    # beside plain weights it is not read
    more = {f"model_ema.{name.removeprefix('model.').replace('.', '')}": 2 * t for name, t in state.items()}
    save_file({**state, **{name: t for name, t in more.items() if "diffusion" in name}}, tmp_path / "both.safetensors")
    both = Checkpoint.open(tmp_path / "both.safetensors", ExportOptions())
    assert same_network(both, whole, "unet", "UNet2DConditionModel")


def test_a_given_vae_takes_the_place_of_the_files_own_and_its_hash_is_kept(published: Made, tmp_path: Path) -> None:
    other = {
        name: tensor + 1 for name, tensor in load_file(published("sd1").directory / "vae" / WEIGHTS["vae"]).items()
    }
    save_file(other, tmp_path / "better.safetensors")
    checkpoint = open_with(published("sd1").file, vae=tmp_path / "better.safetensors")
    vae = checkpoint.network("vae", network_class("AutoencoderKL"))
    assert torch.equal(vae.state_dict()["decoder.conv_in.weight"], other["decoder.conv_in.weight"])
    sha256 = hashlib.sha256((tmp_path / "better.safetensors").read_bytes()).hexdigest()
    assert checkpoint.origins() == {"vae": f"the vae is from better.safetensors (better.safetensors sha256 {sha256})"}


def test_a_vae_of_the_file_that_does_not_fit_is_not_looked_at_if_another_is_given(
    published: Made, tmp_path: Path
) -> None:
    foreign = {
        "first_stage_model." + name.removeprefix("vae."): tensor
        for name, tensor in load_file(published("flux-dev").file).items()
        if name.startswith("vae.")
    }
    own = {n: t for n, t in load_file(published("sd1").file).items() if not n.startswith("first_stage_model.")}
    save_file(own | foreign, tmp_path / "torn.safetensors")
    with pytest.raises(CheckpointError, match="do not fit"):
        Checkpoint.open(tmp_path / "torn.safetensors", ExportOptions())
    assert (
        open_with(tmp_path / "torn.safetensors", vae=published("sd1").directory).config("vae")["latent_channels"] == 4
    )


def test_a_directory_with_a_part_missing_takes_it_given(tiny: Path, tmp_path: Path) -> None:
    whole = Checkpoint.open(tiny, ExportOptions())
    for how in ("null", "no folder"):
        lacking = tmp_path / how
        shutil.copytree(tiny, lacking)
        for part in ("vae", "text_encoder", "tokenizer"):
            shutil.rmtree(lacking / part)
        if how == "null":
            index = json.loads((lacking / "model_index.json").read_text())
            index |= {key: [None, None] for key in ("vae", "text_encoder", "tokenizer")}
            (lacking / "model_index.json").write_text(json.dumps(index))
        with pytest.raises(
            CheckpointError, match=r"--text-encoder X --vae X|or give the part with --(vae|text-encoder)"
        ):
            checkpoint = Checkpoint.open(lacking, ExportOptions())
            find_recipe(checkpoint, "auto")[1].sampling(checkpoint)
        found = open_with(lacking, vae=tiny, text_encoder=tiny)
        assert find_recipe(found, "auto")[0] == "sd1"
        for part in ("vae", "text_encoder"):
            assert same_network(found, whole, part, whole.classes[part])
        # the tokenizer comes with the text encoder of a whole model
        assert found.folder("tokenizer") == tiny / "tokenizer"


def test_each_tokenizer_can_be_given_by_itself(published: Made, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_small_tokenizer(tmp_path / name, 600)
    parts = {"tokenizer_2": tmp_path / "two"}
    checkpoint = Checkpoint.open(published("sdxl").file, ExportOptions(tokenizer=tmp_path / "one", parts=parts))
    assert checkpoint.folder("tokenizer") == tmp_path / "one"
    # a copy with the second encoder's padding
    assert checkpoint.folder("tokenizer_2") not in (tmp_path / "one", tmp_path / "two")


@pytest.mark.parametrize(
    ("family", "part", "given", "message"),
    [
        ("sd1", "vae", "flux-dev", r"has out_channels 4, but the vae from 'checkpoint' makes it 16"),
        ("sd1", "text_encoder", "sd2", r"has cross_attention_dim 768, but the text_encoder from .* makes it 1024"),
        ("sd1", "text_encoder_2", "sdxl", r"Stable Diffusion 1.x has none. Leave --text-encoder-2 out"),
        ("flux-dev", "text_encoder_3", "sd3", r"models with a FluxTransformer2DModel have none"),
        ("flux-dev", "text_encoder_2", "sd1", r"was given for the text_encoder_2, but holds text_encoder, unet, vae"),
        ("flux-dev", "text_encoder", "flux-dev/text_encoder_2", r"says T5EncoderModel; expected CLIPTextModel"),
        ("flux-dev", "text_encoder", "flux-dev/text_encoder_2/model.safetensors", r"but holds a T5 text encoder"),
        ("sd3", "text_encoder_2", "sd1/text_encoder", r"has no text_projection"),
        ("sd3", "text_encoder_2", "sd1/text_encoder/model.safetensors", r"has no text_projection"),
        ("sd1", "vae", "nowhere", r"There is no vae at"),
    ],
)
def test_a_part_that_does_not_belong_is_refused_before_weights_are_read(
    published: Made, family: str, part: str, given: str, message: str
) -> None:
    of, _, rest = given.partition("/")
    where = Path("nowhere") if of == "nowhere" else published(of).directory / rest
    with pytest.raises(CheckpointError, match=message):
        find_recipe(open_with(published(family).file, **{part: where}), "auto")


def test_a_lora_given_as_a_vae_is_called_a_lora(published: Made, tmp_path: Path) -> None:
    save_file({"lora_unet_mid.lora_up.weight": torch.ones(2, 2)}, tmp_path / "lora.safetensors")
    with pytest.raises(CheckpointError, match="was given for the vae, but holds a LoRA"):
        open_with(published("sd1").file, vae=tmp_path / "lora.safetensors")


def test_a_tiny_vae_is_no_vae_of_a_model(published: Made, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"_class_name": "AutoencoderTiny"}))
    with pytest.raises(CheckpointError, match=r"says AutoencoderTiny; expected AutoencoderKL\. .*--replace"):
        open_with(published("sd1").file, vae=tmp_path)


def test_nothing_can_be_given_to_a_vae_alone_and_no_part_that_is_unknown(published: Made) -> None:
    with pytest.raises(CheckpointError, match=r"--text-encoder was given, but .* holds a VAE alone"):
        open_with(published("sd1").directory / "vae", text_encoder=published("sd1").directory)
    with pytest.raises(UsageError, match="'unet'"):
        ExportOptions(parts={"unet": Path("x")})


def space_with(published: Made, config: dict[str, Any], tmp_path: Path, family: str, option: str | None = None) -> Any:
    """The space of a denoiser of the published widths with a given VAE directory, as far as configs tell."""
    from latentlink.export.parts.identity import latent_space

    known = {"sd1": "sd", "sdxl": "sdxl"}[family]
    shutil.copytree(published("sd1").directory / "vae", tmp_path / "given")
    stated = json.loads((tmp_path / "given/config.json").read_text())
    del stated["scaling_factor"]
    (tmp_path / "given/config.json").write_text(json.dumps({**stated, **config}))
    checkpoint = open_with(published(family).file, vae=tmp_path / "given")
    return latent_space(
        config=checkpoint.config("vae"),
        vae_state={"encoder.x": torch.ones(2)},
        candidate=KNOWN_SPACES[known],
        option=option,
        label="model",
        given=checkpoint.given["vae"].name,
    )


def test_a_given_vae_that_states_another_scaling_is_refused_unless_the_space_is_named(
    published: Made, tmp_path: Path
) -> None:
    # configs from before other scalings were in use state none, and mean that of Stable Diffusion 1
    assert space_with(published, {}, tmp_path / "1", "sd1") == KNOWN_SPACES["sd"]
    with pytest.raises(CheckpointError, match=r"'given', states scaling 0.18215, but the denoiser reads sdxl"):
        space_with(published, {}, tmp_path / "2", "sdxl")
    with pytest.raises(CheckpointError, match=r"states scaling 0.13025, but the denoiser reads sd "):
        space_with(published, {"scaling_factor": 0.13025}, tmp_path / "3", "sd1")
    own = space_with(published, {"scaling_factor": 0.3}, tmp_path / "4", "sd1", option="mine")
    assert (own.name, own.scaling, own.weights is not None) == ("mine", 0.3, True)


def test_the_digest_of_a_space_of_its_own_follows_the_given_vae(published: Made, tmp_path: Path) -> None:
    shutil.copytree(published("sd1").directory / "vae", tmp_path / "vae")
    weights = tmp_path / "vae" / WEIGHTS["vae"]
    save_file({name: tensor * 2 for name, tensor in load_file(weights).items()}, weights)
    spaces = [
        load_vae(open_with(published("sd1").file, vae=vae), ExportOptions(), candidate=None)[1]
        for vae in (published("sd1").directory, tmp_path / "vae")
    ]
    assert spaces[0].digest != spaces[1].digest
