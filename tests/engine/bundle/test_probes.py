"""Probe files, and how closely an engine has to agree with them."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from latentlink.engine.bundle import Arrays, Probe, Probes, read_probes, write_probes
from latentlink.engine.bundle.probe_file import METADATA
from latentlink.engine.bundle.probes import SAMPLE
from latentlink.engine.quality import measure_agreement
from latentlink.errors import BundleError
from latentlink.ports import guidance_port, image_port, latent_port
from latentlink.spaces import KNOWN_SPACES

LATENT, IMAGE, GUIDANCE = latent_port(KNOWN_SPACES["sd"]), image_port(), guidance_port()
PORTS = (LATENT, GUIDANCE), (IMAGE,)
RNG = np.random.default_rng(1)


def paint(inputs: Arrays) -> Arrays:
    """An engine: the first three channels, eight pixels for one element."""
    grey = np.clip(inputs[LATENT.tensor][:, :3] * 40 + 128, 0, 255)
    return {IMAGE.tensor: grey.repeat(8, axis=2).repeat(8, axis=3).transpose(0, 2, 3, 1).astype(np.uint8)}


def probe(name: str, side: int = 4) -> Probe:
    inputs = {
        LATENT.tensor: RNG.standard_normal((1, 4, side, side), np.float32),
        GUIDANCE.tensor: np.full(1, 5.0, np.float32),
    }
    return Probe.from_outputs(name=name, inputs=inputs, outputs=paint(inputs))


@pytest.fixture
def probes() -> Probes:
    return Probes(reference="torch 2.13.0 float32", probes=(probe("a"), probe("b"), probe("large", 32)))


def test_what_is_written_is_read_back_and_large_outputs_are_sampled(probes: Probes, tmp_path: Path) -> None:
    write_probes(tmp_path / "p.safetensors", probes)
    again = read_probes(tmp_path / "p.safetensors", *PORTS)
    assert again.reference == probes.reference
    assert [p.name for p in again.probes] == ["a", "b", "large"]
    assert again.probes[2].strides[IMAGE.tensor] > 1
    assert again.probes[2].outputs[IMAGE.tensor].size <= SAMPLE
    found = again.check(paint, "float32")
    assert found.sufficient
    assert (found.worst, found.psnr) == (0, math.inf)


def test_the_denoisers_training_is_read_back_and_an_older_file_has_none(probes: Probes, tmp_path: Path) -> None:
    training = {"schedule": {"beta_start": 0.1}, "unconditional": "empty", "conditions": {}}
    write_probes(tmp_path / "p.safetensors", replace(probes, training=training))
    assert read_probes(tmp_path / "p.safetensors", *PORTS).training == training
    write_probes(tmp_path / "old.safetensors", probes)
    assert read_probes(tmp_path / "old.safetensors", *PORTS).training is None


def test_a_sample_of_an_output_holds_every_channel_of_it() -> None:
    picture = RNG.integers(0, 256, (1, 512, 512, 3), np.uint8)
    text = RNG.standard_normal((2, 77, 768), np.float32)
    for array in (picture, text):
        probe = Probe.from_outputs(name="a", inputs={}, outputs={"x": array})
        channel = np.indices(array.shape)[-1].ravel()[:: probe.strides["x"]]
        assert len(np.unique(channel)) == array.shape[-1]


def test_an_input_that_all_probes_share_is_written_once(probes: Probes, tmp_path: Path) -> None:
    write_probes(tmp_path / "p.safetensors", probes)
    names = [name for name in load_file(tmp_path / "p.safetensors") if name.endswith(GUIDANCE.tensor)]
    assert names == [f"all/{GUIDANCE.tensor}"]


def test_a_quick_check_runs_the_first_probe_only(probes: Probes) -> None:
    runs: list[Arrays] = []

    def counted(inputs: Arrays) -> Arrays:
        runs.append(inputs)
        return paint(inputs)

    probes.check(counted, "float32", quick=True)
    assert len(runs) == 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_never_passes(value: float) -> None:
    reference = np.ones((2, 3), np.float32)
    output = reference.copy()
    output[0, 0] = value
    found = measure_agreement([(output, reference)], "bfloat16")
    assert not found.sufficient


def test_a_picture_may_differ_by_one_level_in_a_few_pixels_and_no_more() -> None:
    reference = RNG.integers(0, 255, (1, 32, 32, 3), np.uint8)
    one, two = reference.copy(), reference.copy()
    one[0, 0, 0, 0] += 1
    two[0, 0, 0, 0] = int(reference[0, 0, 0, 0]) + 2 if reference[0, 0, 0, 0] < 254 else reference[0, 0, 0, 0] - 2
    assert measure_agreement([(one, reference)], "float32").sufficient
    assert not measure_agreement([(two, reference)], "float32").sufficient
    assert not measure_agreement([(reference + (reference < 255), reference)], "float32").sufficient  # all of them


def test_sizes_that_an_engine_has_are_kept_and_others_are_made_by_the_graph_it_was_built_from(probes: Probes) -> None:
    small = probes.fit({"h": (1, 2, 8), "w": (1, 2, 8)}, PORTS[0], paint, 2)
    assert [p.name for p in small.probes] == ["a", "b"]
    fixed = probes.fit({"h": (6, 6, 6), "w": (9, 9, 9), "B": (2, 2, 2)}, PORTS[0], paint, 2)
    assert fixed.reference == "onnx"
    assert [p.inputs[LATENT.tensor].shape for p in fixed.probes] == [(2, 4, 6, 9)] * 2
    assert fixed.probes[0].inputs[GUIDANCE.tensor].shape == (2,)
    least = probes.fit({"h": (6, 6, 6), "w": (9, 9, 9), "B": (1, 2, 4)}, PORTS[0], paint, 1)
    assert [p.inputs[LATENT.tensor].shape for p in least.probes] == [(1, 4, 6, 9)]
    assert fixed.check(paint, "float32").sufficient


def test_an_engine_is_shown_probes_of_its_sizes_and_made_ones_only_where_there_are_no_others(probes: Probes) -> None:
    limits = {"h": (6, 6, 6), "w": (9, 9, 9), "B": (2, 2, 2)}
    assert probes.within(limits, PORTS[0]) is None
    made = probes.fit(limits, PORTS[0], paint, 2)
    both = replace(probes, probes=(*probes.probes, *made.probes))
    found, free = both.within(limits, PORTS[0]), both.within({}, PORTS[0])
    assert found is not None
    assert free is not None
    assert ([p.name for p in found.probes], found.reference) == (["a-fitted", "b-fitted"], "onnx")
    assert ([p.name for p in free.probes], free.reference) == (["a", "b", "large"], probes.reference)


def rewritten(path: Path, record: object, tensors: dict[str, NDArray[Any]]) -> Path:
    path.write_bytes(save(tensors, metadata={METADATA: json.dumps(record)}))
    return path


ONE: dict[str, Any] = {"name": "a", "prompt": None, "strides": {}}
HEAD: dict[str, Any] = {"reference": "torch", "probes": [ONE]}
GOOD: dict[str, NDArray[Any]] = {
    f"a/{LATENT.tensor}": np.zeros((1, 4, 2, 2), np.float32),
    f"a/{GUIDANCE.tensor}": np.zeros(1, np.float32),
    f"a/{IMAGE.tensor}": np.zeros((1, 16, 16, 3), np.uint8),
}
BROKEN: dict[str, tuple[dict[str, Any], dict[str, NDArray[Any]], str]] = {
    "no metadata": ({}, GOOD, "no safetensors file of probes"),
    "no probe": ({**HEAD, "probes": []}, GOOD, "holds 0 probes"),
    "two of one name": ({**HEAD, "probes": [ONE] * 2}, GOOD, "each with its own name"),
    "a name that is a path": ({"reference": "", "probes": [{**ONE, "name": "../a"}]}, GOOD, "a name is short"),
    "a stride that is text": ({"reference": "", "probes": [{**ONE, "strides": {"x": "y"}}]}, GOOD, "a stride is"),
    "an infinite stride": ({"reference": "", "probes": [{**ONE, "strides": {"x": float("inf")}}]}, GOOD, "a stride is"),
    "strides in pairs": ({"reference": "", "probes": [{**ONE, "strides": [["x", 2]]}]}, GOOD, "are objects"),
    "training in pairs": ({**HEAD, "training": [["x", 2]]}, GOOD, "are objects"),
    "a prompt that rings": ({"reference": "", "probes": [{**ONE, "prompt": "\x07"}]}, GOOD, "a prompt is printable"),
    "20,000 probes": ({"reference": "", "probes": [ONE] * 20_000}, GOOD, "expected 1 to 64"),
    "a missing input": (HEAD, {k: v for k, v in GOOD.items() if "latent" not in k}, "one for every port"),
    "another dtype": (HEAD, {**GOOD, f"a/{LATENT.tensor}": np.zeros((1, 4, 2, 2), np.float16)}, "float16"),
    "other channels": (HEAD, {**GOOD, f"a/{LATENT.tensor}": np.zeros((1, 16, 2, 2), np.float32)}, "of the port's"),
    "two sizes of one dimension": (HEAD, {**GOOD, f"a/{GUIDANCE.tensor}": np.zeros(2, np.float32)}, "B = 1 and 2"),
    "a size that takes the machine's memory": (
        HEAD, {**GOOD, f"a/{LATENT.tensor}": np.zeros((1, 4, 512, 129), np.float32)}, "expected at most 65536 and",
    ),
    "a picture of that size": (
        HEAD, {**GOOD, f"a/{IMAGE.tensor}": np.zeros((1, 2049, 2048, 3), np.uint8)}, "has 4196352 pixels in its probe",
    ),
    "many large ones": (
        {"reference": "", "probes": [{**ONE, "name": f"p{number}"} for number in range(5)]},
        {name.replace("a/", "all/", 1): array for name, array in GOOD.items()}
        | {f"p{number}/{LATENT.tensor}": np.zeros((1, 4, 256, 256), np.float32) for number in range(5)},
        "327680 up to there, expected at most 65536 and 262144",
    ),
    "a header without end": (HEAD, {**GOOD, "x" * (4 << 20): np.zeros(1, np.float32)}, "has a header of"),
    "an empty tensor": (HEAD, {**GOOD, f"a/{LATENT.tensor}": np.zeros((0, 4, 2, 2), np.float32)}, "of the port's"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_is_refused(what: str, tmp_path: Path) -> None:
    record, tensors, message = BROKEN[what]
    read_probes(rewritten(tmp_path / "good", HEAD, GOOD), *PORTS)
    with pytest.raises(BundleError, match=message):
        read_probes(rewritten(tmp_path / "bad", record, tensors), *PORTS)


def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(b"\x80\x04pickle")
    with pytest.raises(BundleError, match="no safetensors file of probes"):
        read_probes(tmp_path / "p", *PORTS)


def test_probes_that_onnx_runtime_made_are_held_to_what_its_own_float32_is_worth() -> None:
    latent = RNG.standard_normal((1, 4, 8, 8), np.float32)

    def passes(*names: str, off: float) -> bool:
        moved = latent.copy()
        moved.flat[0] += off * np.abs(latent).max()
        made = tuple(Probe.from_outputs(name=name, inputs={}, outputs={"x": latent}) for name in names)
        return Probes(reference="onnx", probes=made).check(lambda inputs: {"x": moved}, "float32").sufficient

    assert passes("a-fitted", off=5e-4)
    assert not passes("a-fitted", off=2e-3)
    assert not passes("a", off=5e-4)
    assert not passes("a", "b-fitted", off=5e-4)  # torch made one of them
