"""Engines and components from elsewhere on golden inputs: what passes, and what no name can hide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx
import pytest

import latentlink
from latentlink.bench.fuzz.mutations.onnx_additions import huge_tensor
from latentlink.bench.studies.faulty_bundles import (
    affine_input,
    change_weights,
    copy_bundle,
    disguise,
    forge_symbols,
    noisy_weights,
    permuted_input,
)
from latentlink.engine.bundle import Bundle, Manifest, read_probes
from latentlink.errors import BundleError, LinkError, PreflightError
from latentlink.runtime import bundle_path
from latentlink.runtime.probing.verify import verify

pytestmark = pytest.mark.usefixtures("both_loaders")

DEMO = bundle_path("demo")
MANIFEST = Bundle.open(DEMO, check_files=False).manifest
LATENT = MANIFEST.components["vae_decoder"].inputs[0].tensor
IMAGE = MANIFEST.components["vae_encoder"].inputs[0].tensor


def zero_biases(model: onnx.ModelProto) -> None:
    change_weights(model, np.zeros_like, lambda tensor: len(tensor.dims) == 1)


def one_nan(model: onnx.ModelProto) -> None:
    first = next(t.name for t in model.graph.initializer if len(t.dims) == 4)

    def spoiled(array: np.ndarray) -> np.ndarray:
        array = array.copy()
        array.flat[0] = np.nan
        return array

    change_weights(model, spoiled, lambda tensor: tensor.name == first)


def double_output(model: onnx.ModelProto) -> None:
    """Writes latents twice as large: a wrong scaling factor."""
    name = model.graph.output[0].name
    for node in model.graph.node:
        node.output[:] = [f"{name}.half" if output == name else output for output in node.output]
    model.graph.node.append(onnx.helper.make_node("Add", [f"{name}.half", f"{name}.half"], [name]))


@pytest.mark.parametrize("name", ["demo", "demo-b"])
def test_the_bundles_that_ship_compute_what_torch_computed(name: str) -> None:
    checked = [*verify(Bundle.open(bundle_path(name)))]
    shipped = {"denoiser", "denoiser_shallow", "text_encoder", "vae_decoder", "vae_encoder"}
    assert {row.component for row in checked} == shipped
    assert [row.verdict for row in checked] == ["passed"] * len(shipped)


FAULTS: dict[str, tuple[str, Callable[[onnx.ModelProto], None]]] = {
    "a NaN in a weight of the decoder": ("vae_decoder", one_nan),
    "a NaN in a weight of the encoder": ("vae_encoder", one_nan),
    "zeroed biases of the decoder": ("vae_decoder", zero_biases),
    "a decoder with another scaling": ("vae_decoder", affine_input(LATENT, 1.05, 0.0)),
    "an encoder with another scaling": ("vae_encoder", double_output),
    "a denoiser with slightly other weights": ("denoiser", noisy_weights(0.01, 1)),
    "a text encoder with slightly other weights": ("text_encoder", noisy_weights(0.01, 1)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_engine_that_computes_something_else_fails(fault: str, tmp_path: Path) -> None:
    component, edit = FAULTS[fault]
    bad = copy_bundle(DEMO, tmp_path / "bad", {component: edit})
    failed = [row.component for row in verify(Bundle.open(bad)) if row.verdict == "failed"]
    assert failed == [component]
    with pytest.raises(BundleError, match=f"{component} of .* does not compute what its probe says"):
        latentlink.load(bad, verify=True)


def test_an_engine_that_needs_more_memory_than_there_is_is_not_valid_here(tmp_path: Path) -> None:
    def huge(model: onnx.ModelProto) -> None:
        huge_tensor(Random(0), model.graph, model, tmp_path)

    bad = copy_bundle(DEMO, tmp_path / "bad", {"vae_decoder": huge})
    (row,) = (row for row in verify(Bundle.open(bad)) if row.component == "vae_decoder")
    assert (row.verdict, "needs more memory than this machine has" in row.reason) == ("not run", True)
    with pytest.raises(PreflightError, match=r"vae_decoder of .* needs more memory than this machine has"):
        latentlink.load(bad, verify=True)


def test_a_component_of_the_same_weights_from_another_bundle_takes_the_others_place(tmp_path: Path) -> None:
    other = copy_bundle(DEMO, tmp_path / "other", {})
    with latentlink.load("demo", replace={"vae_decoder": other, "text_encoder": other, "vae_encoder": other}) as pipe:
        assert [one.admission.same for one in pipe.decisions if one.admission is not None] == [True] * 3


@pytest.mark.parametrize("component", ["vae_decoder", "vae_encoder", "text_encoder"])
def test_a_forged_symbol_links_by_name_and_is_refused_by_the_probe(component: str, tmp_path: Path) -> None:
    liar = forge_symbols(bundle_path("demo-b"), tmp_path / "liar", component, Bundle.open(DEMO))
    with pytest.raises(LinkError, match=rf"{component} of .* has the symbols of demo, but .* dB of the golden output"):
        latentlink.load("demo", replace={component: liar})
    latentlink.load("demo", replace={component: liar}, verify=False).close()


@pytest.mark.parametrize("factor", [0.9, 1.4])
def test_a_right_decoder_with_another_scaling_is_refused_though_its_pictures_look_right(
    factor: float, tmp_path: Path
) -> None:
    bad = copy_bundle(DEMO, tmp_path / "bad", {"vae_decoder": affine_input(LATENT, factor, 0.0)})
    with pytest.raises(LinkError, match="its scaling is not this space's"):
        latentlink.load("demo", replace={"vae_decoder": bad})


def test_a_right_encoder_with_another_scaling_is_refused(tmp_path: Path) -> None:
    bad = copy_bundle(DEMO, tmp_path / "bad", {"vae_encoder": double_output})
    with pytest.raises(LinkError, match=r"golden output|scaling is not this space's"):
        latentlink.load("demo", replace={"vae_encoder": bad})


def test_permuted_channels_are_refused(tmp_path: Path) -> None:
    bad = copy_bundle(DEMO, tmp_path / "bad", {"vae_decoder": permuted_input(LATENT, np.array([1, 0, 2, 3]))})
    with pytest.raises(LinkError, match="golden output"):
        latentlink.load("demo", replace={"vae_decoder": bad})


def test_another_denoisers_bundle_says_what_latents_mean(tmp_path: Path) -> None:
    # demo-b with its decoder under demo's symbols hosts demo's denoiser: now the decoder is the stranger
    liar = forge_symbols(bundle_path("demo-b"), tmp_path / "liar", "vae_decoder", Bundle.open(DEMO))
    with pytest.raises(LinkError, match=r"vae_decoder of .*liar has the symbols of demo"):
        latentlink.load(liar, replace=dict.fromkeys(("denoiser", "text_encoder", "vae_encoder"), "demo"))


def test_a_bundle_without_probes_takes_nothing_from_elsewhere_unless_told_to(tmp_path: Path) -> None:
    bare = copy_bundle(DEMO, tmp_path / "bare", {}, lambda manifest: replace(manifest, probes={}))
    with pytest.raises(LinkError, match=r"no probes of its vae_decoder .* verify=False"):
        latentlink.load(bare, replace={"vae_decoder": "demo"})
    latentlink.load(bare, replace={"vae_decoder": "demo"}, verify=False).close()
    assert {row.verdict for row in verify(Bundle.open(bare))} == {"no probes"}


def relabelled(source: Path, out: Path, component: str, **changes: Any) -> Path:
    """A copy whose manifest says something else of a component's engine or tokenizer."""

    def change(manifest: Manifest) -> Manifest:
        entry = manifest.components[component]
        if "precision" in changes:
            entry = replace(entry, engines=tuple(disguise(engine, **changes) for engine in entry.engines))
        elif entry.tokenizer is not None:
            entry = replace(entry, tokenizer=replace(entry.tokenizer, **changes))
        return replace(manifest, components={**manifest.components, component: entry})

    return copy_bundle(source, out, {}, change)


def test_a_donor_does_not_choose_how_closely_it_is_looked_at(tmp_path: Path) -> None:
    wrong = copy_bundle(DEMO, tmp_path / "wrong", {"vae_decoder": affine_input(LATENT, 1.1, 0.0)})
    for precision in ("bfloat16", "int8"):
        loose = relabelled(wrong, tmp_path / precision, "vae_decoder", precision=precision)
        with pytest.raises(LinkError, match="its scaling is not this space's"):
            latentlink.load("demo", replace={"vae_decoder": loose})


def test_a_tokenizer_that_begins_prompts_otherwise_is_found_out(tmp_path: Path) -> None:
    other = relabelled(DEMO, tmp_path / "other", "text_encoder", start_id=5, pad_id=7)
    with pytest.raises(BundleError, match="the tokenizer makes other ids of"):
        latentlink.load(other, verify=True)
    with pytest.raises(LinkError, match=r"text_encoder of .*other has the symbols of demo, but"):
        latentlink.load("demo", replace={"text_encoder": other})


EDITS: dict[str, tuple[str, dict[str, Any]]] = {
    "another beta": ("schedule.beta_start", {"schedule": {**MANIFEST.sampling.schedule, "beta_start": 0.01}}),
    "a constant more": (
        "schedule.original_inference_steps",
        {"schedule": {**MANIFEST.sampling.schedule, "original_inference_steps": 50}},
    ),
    "a constant more that is null": (
        "schedule.original_inference_steps",
        {"schedule": {**MANIFEST.sampling.schedule, "original_inference_steps": None}},
    ),
    "a constant less": (
        "schedule.prediction_type",
        {"schedule": {k: v for k, v in MANIFEST.sampling.schedule.items() if k != "prediction_type"}},
    ),
    "another unconditional embedding": ("unconditional", {"unconditional": "zeros"}),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_manifest_with_another_schedule_than_the_denoisers_is_found_out(edit: str, tmp_path: Path) -> None:
    where, changes = EDITS[edit]
    edited = copy_bundle(DEMO, tmp_path / "edited", {}, lambda m: replace(m, sampling=replace(m.sampling, **changes)))
    failed = {row.component: row.reason for row in verify(Bundle.open(edited)) if row.verdict == "failed"}
    assert [*failed] == ["denoiser", "denoiser_shallow"]
    assert f"for sampling.{where}, but it was exported with" in failed["denoiser"]
    with pytest.raises(BundleError, match="but it was exported with"):
        latentlink.load(edited)


def test_a_user_may_choose_other_defaults_than_the_export(tmp_path: Path) -> None:
    edited = copy_bundle(DEMO, tmp_path / "edited", {}, lambda m: replace(m, sampling=replace(m.sampling, steps=7)))
    assert {row.verdict for row in verify(Bundle.open(edited))} == {"passed"}


def test_a_decoder_of_a_fixed_size_is_judged_at_that_size(tmp_path: Path) -> None:
    def fixed(manifest: Manifest) -> Manifest:
        entry = manifest.components["vae_decoder"]
        limits = {"h": (16, 16, 16), "w": (16, 16, 16)}
        engines = tuple(disguise(engine, limits=limits) for engine in entry.engines)
        return replace(manifest, components={**manifest.components, "vae_decoder": replace(entry, engines=engines)})

    with latentlink.load("demo", replace={"vae_decoder": copy_bundle(DEMO, tmp_path / "right", {}, fixed)}) as pipe:
        assert [one.admission.same for one in pipe.decisions if one.admission is not None] == [True]
    bad = {"vae_decoder": affine_input(LATENT, 1.4, 0.0)}
    with pytest.raises(LinkError, match="its scaling is not this space's"):
        latentlink.load("demo", replace={"vae_decoder": copy_bundle(DEMO, tmp_path / "wrong", bad, fixed)})


def test_a_bundle_without_probes_is_not_called_verified(tmp_path: Path) -> None:
    bare = copy_bundle(DEMO, tmp_path / "bare", {}, lambda manifest: replace(manifest, probes={}))
    with pytest.raises(BundleError, match="no probes of its"):
        latentlink.load(bare, verify=True)


def test_probes_for_other_ports_are_damage(tmp_path: Path) -> None:
    bundle = Bundle.open(DEMO)
    other = MANIFEST.components["vae_encoder"]
    with pytest.raises(BundleError, match="expected one for every port"):
        read_probes(bundle.file(MANIFEST.probes["vae_decoder"]), other.inputs, other.outputs)
