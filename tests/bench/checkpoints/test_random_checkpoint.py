"""The small checkpoints are what their names say, and every input of theirs matters."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from latentlink.bench.checkpoints import CHECKPOINTS, make_checkpoint
from latentlink.bench.parity.diffusers import Diffusers
from tests.parity.suite import SPACES, SUBJECTS, Subject

# Ten times the parity suite's tolerance: an input that was mixed up or left out cannot hide below it.
MATTERS = 0.01


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    root = tmp_path_factory.mktemp("random")
    return cache(lambda size: make_checkpoint(size, root / size))


def _tensors(folder: Path) -> dict[str, Any]:
    from safetensors.numpy import load_file

    return dict(load_file(folder / "diffusion_pytorch_model.safetensors"))


def _apart(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]) -> float:
    return float(np.linalg.norm(first - second) / np.linalg.norm(second))


@pytest.mark.parametrize("size", SPACES)
def test_a_small_checkpoint_is_below_three_megabytes(size: str, checkpoint: Callable[[str], Path]) -> None:
    assert sum(file.stat().st_size for file in checkpoint(size).rglob("*") if file.is_file()) < 3e6


def test_the_suite_has_every_small_checkpoint_but_the_one_of_no_known_space() -> None:
    assert {*SPACES} == {size for size in CHECKPOINTS if size.startswith("tiny-")}
    assert {subject.checkpoint for subject in SUBJECTS} == {*SPACES}


@pytest.mark.parametrize("size", SPACES)
def test_checkpoints_of_one_space_have_one_vae(size: str, checkpoint: Callable[[str], Path]) -> None:
    first = next(other for other in SPACES if SPACES[other] == SPACES[size])
    files = [(checkpoint(name) / "vae" / "diffusion_pytorch_model.safetensors").read_bytes() for name in (size, first)]
    assert files[0] == files[1]


@pytest.mark.parametrize(("first", "second"), [("tiny-sd1", "tiny-sdxl"), ("tiny-sd3", "tiny-flux-dev")])
def test_two_spaces_may_differ_in_the_weights_and_the_affine_alone(
    first: str, second: str, checkpoint: Callable[[str], Path]
) -> None:
    one, other = (_tensors(checkpoint(size) / "vae") for size in (first, second))
    assert {name: value.shape for name, value in one.items()} == {name: value.shape for name, value in other.items()}
    assert all(not np.array_equal(one[name], other[name]) for name in one)
    configs = [json.loads((checkpoint(size) / "vae" / "config.json").read_text()) for size in (first, second)]
    assert configs[0].get("scaling_factor") != configs[1].get("scaling_factor")


def test_equal_seeds_make_equal_weights_and_others_do_not(tmp_path: Path, checkpoint: Callable[[str], Path]) -> None:
    again, other = (make_checkpoint("tiny-sd1", tmp_path / str(seed), seed=seed) for seed in (0, 1))
    unets = [_tensors(folder / "unet")["conv_in.weight"] for folder in (checkpoint("tiny-sd1"), again, other)]
    assert np.array_equal(unets[0], unets[1])
    assert not np.array_equal(unets[0], unets[2])


def test_the_published_quirks_are_there(checkpoint: Callable[[str], Path]) -> None:
    assert "scaling_factor" not in json.loads((checkpoint("tiny-sd1") / "vae" / "config.json").read_text())
    index = json.loads((checkpoint("tiny-sdxl-refiner") / "model_index.json").read_text())
    assert index["text_encoder"] == [None, None]
    assert index["requires_aesthetics_score"] is True


def test_both_kinds_of_tokenizer_pad_as_published(checkpoint: Callable[[str], Path]) -> None:
    from transformers import CLIPTokenizer, T5TokenizerFast

    root = checkpoint("tiny-sd3")
    clip, openclip = (CLIPTokenizer.from_pretrained(root / name) for name in ("tokenizer", "tokenizer_2"))
    first, second = (kind("a cat", padding="max_length").input_ids for kind in (clip, openclip))
    assert len(first) == len(second) == 77
    assert (first[-1], second[-1]) == (699, 0)
    t5 = T5TokenizerFast.from_pretrained(root / "tokenizer_3")
    ids = t5("a cat", padding="max_length", max_length=16).input_ids
    end = ids.index(1)
    assert 2 not in ids
    assert ids[end:] == [1] + [0] * (15 - end)
    assert t5.decode(ids, skip_special_tokens=True) == "a cat"


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_prompts_guidance_and_starts_change_what_diffusers_makes(
    subject: Subject, checkpoint: Callable[[str], Path]
) -> None:
    side = Diffusers(checkpoint(subject.checkpoint))
    case = subject.case(subject.samplers[0], (64, 64), 1, None)
    start = None
    if subject.after is not None:
        start = Diffusers(checkpoint(subject.after)).run(subject.case_before(case)).latents
    made = side.run(case, latents=start)
    assert np.isfinite(made.latents).all()
    assert made.latents.shape[2:] == (8, 8)
    assert made.pictures.std() > 15  # of 255: no grey, no black

    def moves(**changes: Any) -> bool:
        return _apart(side.run(case.changed(**changes), latents=start).latents, made.latents) > MATTERS

    assert moves(prompts=("a blue star under a yellow sky",))
    assert moves(negative_prompt="green, ugly") is subject.guided
    assert moves(guidance=subject.guidance + 3.0) is (subject.checkpoint != "tiny-flux-schnell")
