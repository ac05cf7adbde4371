"""`encode` and `decode`: pictures to a latents file and back, with a model or with a VAE alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from latentlink.cli import group
from latentlink.demo.draw import draw
from latentlink.demo.grammar import held_out
from latentlink.engine.quality import psnr
from latentlink.errors import LinkError, UsageError


def run(*arguments: object) -> Result:
    return CliRunner().invoke(group, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "picture.png"
    draw(held_out()[0], "flat", np.random.default_rng(0)).save(path)
    return path


@pytest.mark.parametrize("bundle", ["demo", "demo-tiny"])
def test_a_picture_is_encoded_and_decoded_again(bundle: str, picture: Path, tmp_path: Path) -> None:
    latents, out = tmp_path / "l.safetensors", tmp_path / "out.png"
    done = run("encode", bundle, picture, "-o", latents, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["shape"] == [1, 4, 8, 8]
    done = run("decode", bundle, latents, "-o", out)
    assert done.exit_code == 0, done.output
    assert "64x64, decoded from latent__demo__" in done.output
    assert psnr(*(np.asarray(Image.open(path).convert("RGB")) for path in (picture, out))) > 15


def test_several_pictures_of_any_size_are_one_batch(picture: Path, tmp_path: Path) -> None:
    latents = tmp_path / "l.safetensors"
    odd = tmp_path / "odd.png"
    Image.open(picture).resize((61, 67)).save(odd)
    refused = run("encode", "demo-tiny", odd, "-o", latents)
    assert isinstance(refused.exception, UsageError)
    assert "61x67; expected multiples of 8" in str(refused.exception)
    assert "encode --fit" in str(refused.exception)
    assert run("encode", "demo-tiny", odd, picture, "-o", latents, "--fit", "--seed", "3").exit_code == 0
    assert run("decode", "demo-tiny", latents, "-o", tmp_path / "out.png").exit_code == 0
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out-1.png", "out-2.png"]


def test_latents_of_another_space_are_refused_before_anything_is_written(picture: Path, tmp_path: Path) -> None:
    latents, out = tmp_path / "l.safetensors", tmp_path / "out.png"
    run("encode", "demo-b", picture, "-o", latents)
    refused = run("decode", "demo-tiny", latents, "-o", out)
    assert isinstance(refused.exception, LinkError)
    assert 'of "demo-b"' in str(refused.exception)
    assert not out.exists()
