"""Which recipe reads a checkpoint, what defaults it gives, and what may be left out. Nothing is traced here."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from latentlink.bench.checkpoints import make_checkpoint
from latentlink.engine.bundle import Sampling
from latentlink.errors import CheckpointError, UsageError
from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.exporter import export_checkpoint
from latentlink.export.graphs import Component
from latentlink.export.recipes import find_recipe
from latentlink.ports import Port

Make = Callable[[str], Path]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Make:
    root = tmp_path_factory.mktemp("recipes")
    return cache(lambda size: make_checkpoint(size, root / size))


def defaults(path: Path) -> tuple[str, Sampling]:
    checkpoint = Checkpoint.open(path, ExportOptions())
    name, recipe = find_recipe(checkpoint, "auto")
    return name, Sampling.from_json(recipe.sampling(checkpoint))


@pytest.mark.parametrize(
    ("size", "family", "sampler", "steps", "guidance"),
    [
        ("tiny-sd1", "sd1", "pndm", 50, 7.5),
        ("tiny-lcm", "sd1", "lcm", 4, 8.5),
        ("tiny-sd2", "sd2", "ddim", 50, 7.5),
        ("tiny-sdxl", "sdxl", "euler", 50, 5.0),
        ("tiny-sdxl-turbo", "sdxl", "euler_a", 1, 0.0),
        ("tiny-sdxl-lightning", "sdxl", "euler", 4, 0.0),
        ("tiny-lcm-sdxl", "sdxl", "lcm", 4, 8.0),
        ("tiny-sdxl-refiner", "sdxl-refiner", "euler", 50, 5.0),
        ("tiny-sd3", "sd3", "flow_euler", 28, 7.0),
        ("tiny-sd3-no-t5", "sd3", "flow_euler", 28, 7.0),
        ("tiny-flux-dev", "flux1", "flow_euler", 28, 3.5),
        ("tiny-flux-schnell", "flux1", "flow_euler", 4, 0.0),
    ],
)
def test_a_checkpoint_is_read_by_its_familys_recipe_with_its_defaults(
    made: Make, size: str, family: str, sampler: str, steps: int, guidance: float
) -> None:
    name, sampling = defaults(made(size))
    assert (name, sampling.sampler, sampling.steps, sampling.guidance) == (family, sampler, steps, guidance)


def test_what_stands_for_no_negative_prompt_is_what_the_checkpoint_says(made: Make) -> None:
    assert defaults(made("tiny-sdxl"))[1].unconditional == "zeros"
    assert defaults(made("tiny-sdxl-refiner"))[1].unconditional == "empty"
    assert defaults(made("tiny-sd1"))[1].unconditional == "empty"


def test_conditions_have_their_defaults_as_data(made: Make) -> None:
    assert defaults(made("tiny-sdxl"))[1].conditions == {
        "crop": ((0, 0), None),
        "original_size": ((0, 0), None),
        "target_size": ((0, 0), None),
    }
    assert defaults(made("tiny-sdxl-refiner"))[1].conditions["aesthetic_score"] == ((6.0,), (2.5,))


def components(path: Path, options: ExportOptions) -> dict[str, Component]:
    checkpoint = Checkpoint.open(path, options)
    return {made.name: made for made in find_recipe(checkpoint, "auto")[1].components(checkpoint, options)}


def kinds(ports: tuple[Port, ...], kind: str) -> list[str]:
    return [port.name for port in ports if port.kind == kind]


def test_a_denoiser_has_the_ports_that_its_network_needs(made: Make) -> None:
    refiner = components(made("tiny-sdxl-refiner"), ExportOptions(space="sdxl"))["denoiser"].inputs
    assert kinds(refiner, "condition") == ["original_size", "crop", "aesthetic_score"]
    assert kinds(refiner, "guidance") == ["cfg"]
    inpaint = components(made("tiny-sd1-inpaint"), ExportOptions(space="sd"))["denoiser"].inputs
    assert [port.slot for port in inpaint if port.slot == "masked" or port.slot.startswith("init")] == ["masked"]
    assert kinds(components(made("tiny-lcm"), ExportOptions(space="sd"))["denoiser"].inputs, "guidance") == ["embedded"]
    assert kinds(components(made("tiny-flux-dev"), ExportOptions(space="flux1"))["denoiser"].inputs, "guidance") == [
        "embedded"
    ]
    assert not kinds(components(made("tiny-flux-schnell"), ExportOptions(space="flux1"))["denoiser"].inputs, "guidance")


def test_t5_can_be_left_out_where_the_family_can_do_without(made: Make) -> None:
    whole = components(made("tiny-sd3"), ExportOptions(space="sd3"))
    without = components(made("tiny-sd3"), ExportOptions(space="sd3", without=("text_encoder_3",)))
    assert set(whole) - set(without) == {"text_encoder_3"}
    assert len(kinds(whole["denoiser"].inputs, "text")) == len(kinds(without["denoiser"].inputs, "text")) + 1
    # with T5 the CLIPs may cut a long prompt off, because T5 reads all of it
    tokenizers = [made["text_encoder"].tokenizer for made in (whole, without)]
    assert [tokenizer and tokenizer.overflow for tokenizer in tokenizers] == ["truncate", "refuse"]


def test_what_a_family_needs_cannot_be_left_out(made: Make, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"'text_encoder' cannot be left out; of Stable Diffusion 3 and 3\.5 these can: vae_enc"
    ):
        export_checkpoint(made("tiny-sd3"), tmp_path / "out", options=ExportOptions(without=("text_encoder",)))


def test_a_family_without_a_unet_has_no_step_cache(made: Make, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"the output of a UNet's deep layers, but Stable Diffusion 3.* has no UNet"):
        export_checkpoint(made("tiny-sd3"), tmp_path / "out", options=ExportOptions(step_cache=1))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"without": ("vae_decoder", "vae_encoder")}, "Nothing is left of AutoencoderKL without vae_decoder, vae_enc"),
        ({"clip_skip": 1, "space": "sd"}, "AutoencoderKL reads no hidden states of CLIP"),
    ],
)
def test_what_a_vae_alone_cannot_do_is_refused_before_the_work(
    made: Make, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    vae = vae_alone(made, "tiny-sd1", tmp_path / "vae")
    with pytest.raises(UsageError, match=said):
        export_checkpoint(vae, tmp_path / "out", options=ExportOptions(**options))


def check(path: Path, options: ExportOptions) -> None:
    checkpoint = Checkpoint.open(path, options)
    find_recipe(checkpoint, "auto")[1].check(checkpoint, options)


def test_a_bundle_may_leave_both_halves_of_its_vae_to_another(made: Make) -> None:
    check(made("tiny-sd1"), ExportOptions(without=("vae_decoder", "vae_encoder")))


def test_clip_skip_is_refused_where_no_hidden_state_of_clip_is_read(made: Make) -> None:
    with pytest.raises(UsageError, match=r"clip_skip of 1 was given, but FLUX\.1 reads no hidden states of CLIP"):
        check(made("tiny-flux-dev"), ExportOptions(clip_skip=1))


@pytest.mark.parametrize(
    ("size", "own"), [("tiny-sd1", 0), ("tiny-sdxl", 1), ("tiny-sdxl-refiner", 1), ("tiny-sd3", 1)]
)
def test_clip_skip_leaves_out_no_more_layers_than_there_are(made: Make, size: str, own: int) -> None:
    texts = [folder for folder in made(size).glob("text_encoder*") if "T5" not in (folder / "config.json").read_text()]
    layers = min(json.loads((folder / "config.json").read_text())["num_hidden_layers"] for folder in texts)
    check(made(size), ExportOptions(clip_skip=layers - own))
    with pytest.raises(UsageError, match=f"has {layers} layers, .* leaves out {own}; expected at most {layers - own}"):
        check(made(size), ExportOptions(clip_skip=layers - own + 1))


def test_clip_skip_is_a_number_of_layers() -> None:
    with pytest.raises(UsageError, match="clip_skip -1; expected a whole number"):
        ExportOptions(clip_skip=-1)


def test_clip_skip_is_another_embedding(made: Make) -> None:
    last, skipped = (
        components(made("tiny-sd1"), ExportOptions(space="sd", clip_skip=skip))["text_encoder"].outputs[0]
        for skip in (0, 1)
    )
    assert last.symbol != skipped.symbol


def changed(folder: Path, out: Path, **changes: Any) -> Path:
    """A copy of a part's folder with other values in its config; those that become None are left out of it."""
    shutil.copytree(folder, out)
    config = json.loads((out / "config.json").read_text()) | changes
    (out / "config.json").write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
    return out


def vae_alone(made: Make, size: str, out: Path, **changes: Any) -> Path:
    return changed(made(size) / "vae", out, **changes)


def test_a_vae_that_overflows_in_half_precision_is_exported_in_float32_with_the_reason(
    made: Make, tmp_path: Path
) -> None:
    vae = vae_alone(made, "tiny-sdxl", tmp_path / "vae", force_upcast=True)
    # one half of the VAE shows it
    options = ExportOptions(space="sdxl", dtype="float16", without=("vae_encoder",))
    manifest = export_checkpoint(vae, tmp_path / "out", options=options)
    assert {engine.precision for part in manifest.components.values() for engine in part.engines} == {"float32"}
    assert "force_upcast" in manifest.provenance["precision.vae_decoder"]
    assert "65,504" in manifest.provenance["precision.vae_decoder"]
    assert "65,504" in manifest.components["vae_decoder"].overflows


@pytest.mark.parametrize(
    ("size", "config", "reason"),
    [
        ("tiny-sdxl", {"force_upcast": True}, "its config sets force_upcast, and activations .* pass 65,504"),
        ("tiny-sd3", {"force_upcast": True}, "its config sets force_upcast, so float16 may overflow$"),
        ("tiny-sd3", {"force_upcast": None}, "its config does not say that it fits float16, so float16 may overflow$"),
        ("tiny-sd3", {"force_upcast": False}, "^$"),
    ],
)
def test_a_vae_says_why_it_is_in_float32(
    made: Make, tmp_path: Path, size: str, config: dict[str, Any], reason: str
) -> None:
    options = ExportOptions(space=size.removeprefix("tiny-"), dtype="float16")
    made_of = components(changed(made(size) / "vae", tmp_path / "vae", **config), options)
    assert re.search(reason, made_of["vae_decoder"].overflows)
    assert made_of["vae_decoder"].computes_in("float16") == ("float16" if reason == "^$" else "float32")
    assert made_of["vae_decoder"].computes_in("bfloat16") == "bfloat16"


def test_a_vae_alone_that_does_not_say_its_space_is_a_question(made: Make, tmp_path: Path) -> None:
    vae = vae_alone(made, "tiny-sd1", tmp_path / "vae")
    with pytest.raises(CheckpointError, match=r"--space sd\|sdxl"):
        export_checkpoint(vae, tmp_path / "out")
