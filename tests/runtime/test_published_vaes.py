"""The published VAEs of two models whose latents look alike: forged as each other, and a transfer between them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnx
import pytest
from PIL import Image

import latentlink
from latentlink.bench.sheets.photographs import photograph
from latentlink.bench.studies.faulty_bundles import Edit, copy_bundle, forge_symbols, rename_space
from latentlink.engine.bundle import Bundle, Probe, read_probes, write_bundle, write_probes
from latentlink.engine.quality import psnr
from latentlink.errors import LinkError
from latentlink.ports import Port
from latentlink.runtime import bundle_path

pytestmark = pytest.mark.xdist_group("published_vaes")

Value = TypeVar("Value")

DEMO = bundle_path("demo")
BORROWED = ("denoiser", "text_encoder")
HALVES = ("vae_decoder", "vae_encoder")
BOTH_WAYS = pytest.mark.parametrize(("space", "other"), [("sd", "sdxl"), ("sdxl", "sd")])


def with_denoiser(vae: Path, folder: Path) -> Path:
    """A VAE's bundle that can be loaded: with demo's denoiser, under the symbols of the VAE's space."""
    bundle = Bundle.open(vae)
    space = bundle.manifest.spaces[0]
    demo, named = Bundle.open(DEMO), Bundle.open(rename_space(DEMO, folder / "renamed", "denoiser", space))
    out = folder / f"whole-{space.name}"
    shutil.copytree(vae, out)
    (out / "manifest.json").unlink()
    for component in BORROWED:
        shutil.copytree(named.root / "engines" / component, out / "engines" / component)
        before, after = (one.manifest.components[component] for one in (demo, named))
        names = tensors((*before.inputs, *before.outputs), (*after.inputs, *after.outputs))
        probes = read_probes(demo.file(demo.manifest.probes[component]), before.inputs, before.outputs)
        moved = replace(probes, probes=tuple(probe_of(probe, names) for probe in probes.probes))
        write_probes(out / "probes" / f"{component}.safetensors", moved)
    shutil.copytree(named.root / "tokenizers", out / "tokenizers")
    write_bundle(
        out,
        replace(
            bundle.manifest,
            components={**bundle.manifest.components, **{name: named.manifest.components[name] for name in BORROWED}},
            probes={**bundle.manifest.probes, **{name: f"probes/{name}.safetensors" for name in BORROWED}},
            embeddings=named.manifest.embeddings,
            # the ranges and the step cache were measured on demo's latents
            sampling=replace(named.manifest.sampling, ranges=(), step_cache=None),
            files={},
        ),
    )
    return out


def tensors(before: tuple[Port, ...], after: tuple[Port, ...]) -> Mapping[str, str]:
    return {old.tensor: new.tensor for old, new in zip(before, after, strict=True)}


def probe_of(probe: Probe, names: Mapping[str, str]) -> Probe:
    return replace(
        probe,
        inputs=renamed(probe.inputs, names),
        outputs=renamed(probe.outputs, names),
        strides=renamed(probe.strides, names),
    )


def renamed(values: Mapping[str, Value], names: Mapping[str, str]) -> Mapping[str, Value]:
    return {names[name]: value for name, value in values.items()}


def engine_of(bundle: Path, component: str) -> Edit:
    """Puts the engine of another bundle in an engine's place."""
    opened = Bundle.open(bundle)
    model = onnx.load(opened.file(opened.manifest.components[component].engines[0].path))
    return lambda place: place.CopyFrom(model)


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "latentlink", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def whole(tiny_vaes: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Bundles of both VAEs that can be loaded, by space."""
    return {space: with_denoiser(vae, tmp_path_factory.mktemp(space)) for space, vae in tiny_vaes.items()}


@BOTH_WAYS
def test_the_others_decoder_is_refused_by_its_symbol(space: str, other: str, whole: Mapping[str, Path]) -> None:
    with pytest.raises(LinkError, match=rf'reads latent space "{other}" .* writes "{space}"'):
        latentlink.load(whole[space], replace={"vae_decoder": whole[other]})


@BOTH_WAYS
@pytest.mark.parametrize("half", HALVES)
def test_a_half_forged_as_the_others_is_refused_by_the_probes(
    space: str, other: str, half: str, whole: Mapping[str, Path], tmp_path: Path
) -> None:
    liar = forge_symbols(whole[other], tmp_path / "liar", half, Bundle.open(whole[space]))
    with pytest.raises(LinkError, match=rf"{half} of .* has the symbols of .*, but .* dB of the golden output"):
        latentlink.load(whole[space], replace={half: liar})


@BOTH_WAYS
def test_the_command_refuses_a_forged_decoder_with_3_and_a_bundle_of_forged_halves_with_4(
    space: str, other: str, whole: Mapping[str, Path], tmp_path: Path
) -> None:
    host = Bundle.open(whole[space])
    liar = forge_symbols(whole[other], tmp_path / "liar", "vae_decoder", host)
    refused = run("verify", whole[space], "--vae-decoder", liar, "--quick")
    assert (refused.returncode, "Traceback" in refused.stderr) == (3, False), refused.stderr

    encoder = forge_symbols(whole[other], tmp_path / "encoder", "vae_encoder", host)
    edits = {"vae_decoder": engine_of(liar, "vae_decoder"), "vae_encoder": engine_of(encoder, "vae_encoder")}
    damaged = run("verify", copy_bundle(whole[space], tmp_path / "damaged", edits))
    assert (damaged.returncode, "Traceback" in damaged.stderr) == (4, False), damaged.stderr
    rows = [line.split() for line in damaged.stdout.splitlines()]
    assert {row[0] for row in rows if row[-1] == "failed"} == {*HALVES}


def test_a_photograph_is_transferred_and_back(whole: Mapping[str, Path]) -> None:
    shown = photograph("coffee")
    with latentlink.load(whole["sd"]) as first, latentlink.load(whole["sdxl"]) as second:
        latents = first.encode([Image.fromarray(shown)])
        there = latentlink.transfer(latents, source=first, destination=second)
        back = latentlink.transfer(there.latents, source=second, destination=first)
        with pytest.raises(LinkError, match='reads latent space "sdxl"'):
            second.decode(latents)
        pictures = [
            np.asarray(pipe.decode(one)[0])
            for pipe, one in ((first, latents), (second, there.latents), (first, back.latents))
        ]
    assert (there.latents.space.name, back.latents.space.name) == ("sdxl", "sd")
    # measured 25.8, 24.6 and 23.6 dB, as docs/compatibility.md has them; half a decibel for other processors
    measured = [psnr(shown, picture) for picture in pictures]
    assert np.allclose(measured, [25.8, 24.6, 23.6], atol=0.5)
    # each leg loses less than the VAE itself does
    assert min(there.psnr, back.psnr) > measured[0]
