"""Manifests: what is written is read back, and every broken rule is refused with the key's name."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latentlink.engine.bundle import ComparedEngine, EngineComparison, EngineEntry, Manifest, Sampling
from latentlink.engine.bundle.engine_entry import FILE_FORMATS
from latentlink.engine.targets import TARGETS
from latentlink.errors import BundleError
from latentlink.ports import condition_port

TOKENIZER = "tokenizers/text_encoder/tokenizer.json"

T = TypeVar("T")

text = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=20)
number = st.floats(allow_nan=False, allow_infinity=False)
whole = st.integers(-(2**53), 2**53)
size = st.integers(1, 64)
few = st.integers(1, 16)


def backwards(mapping: Mapping[str, T]) -> dict[str, T]:
    """The same items in the opposite order."""
    return dict(reversed(list(mapping.items())))


def test_a_written_manifest_is_read_back_as_the_same_value_and_the_same_bytes(
    whole_manifest: Manifest,
) -> None:
    again = Manifest.from_bytes(whole_manifest.to_bytes())
    assert again == whole_manifest
    assert again.to_bytes() == whole_manifest.to_bytes()


def test_equal_manifests_with_keys_in_another_order_are_written_as_equal_bytes(
    whole_manifest: Manifest,
) -> None:
    shuffled = replace(
        whole_manifest,
        files=backwards(whole_manifest.files),
        components=backwards(whole_manifest.components),
        provenance=backwards(whole_manifest.provenance),
    )
    assert shuffled.to_bytes() == whole_manifest.to_bytes()


def test_what_was_measured_of_a_components_engines_is_read_back(whole_manifest: Manifest) -> None:
    made = _measured(whole_manifest)
    again = Manifest.from_bytes(made.to_bytes())
    assert again == made
    assert again.components["denoiser"].measured == made.components["denoiser"].measured


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda m: m.update(candidates=[]), r"measured\.candidates: received an empty list"),
        (lambda m: m["candidates"][0].update(seconds=-1), r"measured\.candidates\[0\]\.seconds: received -1"),
        (lambda m: m["candidates"][0].update(seconds=True), r"seconds: received True"),
        (lambda m: m["candidates"][0].pop("psnr"), r"candidates\[0\]: received no key 'psnr'"),
        (lambda m: m["candidates"][0].update(target="A b"), r"candidates\[0\]\.target: received 'A b'"),
        (lambda m: m["sizes"].update(B=0), r"measured\.sizes\.B: received 0"),
        (lambda m: m["sizes"].update({"1": 1}), r"measured\.sizes: received '1'"),
        (lambda m: m.update(fast=1), r"measured: received the unknown key 'fast'"),
        (lambda m: m.update(on="a\u202eb"), "received"),
    ],
)
def test_measurements_that_break_a_rule_are_refused(
    whole_manifest: Manifest, edit: Callable[[dict[str, Any]], object], message: str
) -> None:
    record = json.loads(_measured(whole_manifest).to_bytes())
    edit(record["components"]["denoiser"]["measured"])
    with pytest.raises(BundleError, match=message):
        Manifest.from_json(record)


def test_an_openvino_engine_is_in_openvinos_own_format(whole_manifest: Manifest) -> None:
    denoiser = whole_manifest.components["denoiser"]
    with pytest.raises(BundleError, match=r"path: received .* expected a file that ends in \.xml"):
        replace(denoiser.engines[0], target="openvino-cpu")


def _measured(manifest: Manifest) -> Manifest:
    """The manifest with what was measured of its denoiser's engines."""
    measured = EngineComparison(
        on="a processor, 2 processors",
        sizes={"h": 64, "B": 1},
        candidates=(
            ComparedEngine(target="ort-cpu", precision="float32", seconds=4.3, psnr=119.5, worst=4.7e-6),
            ComparedEngine(target="openvino-cpu", precision="float32", reason="PSNR 12 dB, expected at least 55"),
        ),
    )
    denoiser = replace(manifest.components["denoiser"], measured=measured)
    return replace(manifest, components={**manifest.components, "denoiser": denoiser})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    schedule=st.dictionaries(
        text, st.none() | st.booleans() | whole | number | text | st.lists(number, max_size=5), max_size=6
    ),
    fingerprint=st.dictionaries(text, st.none() | st.booleans() | whole | text | st.lists(text), max_size=6),
    limits=st.dictionaries(st.sampled_from(["B", "h", "w"]), st.tuples(size, size, size).map(sorted)),
    provenance=st.dictionaries(text, text, max_size=6),
    guidance=st.floats(0, 1000),
    multiples=st.tuples(few, few, few),
)
def test_any_manifest_that_can_be_made_survives_writing_and_reading(
    whole_manifest: Manifest,
    schedule: dict[str, Any],
    fingerprint: dict[str, Any],
    limits: dict[str, Any],
    provenance: dict[str, str],
    guidance: float,
    multiples: tuple[int, int, int],
) -> None:
    denoiser = whole_manifest.components["denoiser"]
    engine = replace(denoiser.engines[0], fingerprint=fingerprint, limits=limits)
    width, height, multiple = *multiples[:2], 8 * multiples[2]
    made = replace(
        whole_manifest,
        components={**whole_manifest.components, "denoiser": replace(denoiser, engines=(engine,))},
        sampling=Sampling(
            schedule=schedule,
            sampler="euler",
            steps=20,
            guidance=guidance,
            width=width * multiple,
            height=height * multiple,
            size_multiple=multiple,
        ),
        provenance=provenance,
    )
    assert Manifest.from_bytes(made.to_bytes()) == made


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(data=st.data())
def test_a_manifest_with_any_one_value_replaced_is_read_or_refused_but_never_breaks_the_reader(
    whole_manifest: Manifest, data: st.DataObject
) -> None:
    value: Any = json.loads(whole_manifest.to_bytes())
    at = value
    while True:
        key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if not isinstance(at[key], (dict, list)) or not at[key] or data.draw(st.booleans()):
            break
        at = at[key]
    junk = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=6,
    )
    at[key] = data.draw(junk)
    try:
        Manifest.from_json(value)
    except BundleError as error:
        assert error.remedy


def denoiser(record: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = record["components"]["denoiser"]
    return found


def first_engine(record: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = denoiser(record)["engines"][0]
    return found


def ranges(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Two ranges, put into the record."""
    made = [
        {"level": level, "mean": [[-1, 1] for _ in range(4)], "std": [[0.5, 1.5] for _ in range(4)], "rms": [0.5, 1.5]}
        for level in (0.0, 0.5)
    ]
    found: list[dict[str, Any]] = record["sampling"].setdefault("ranges", made)
    return found


def test_ranges_are_written_where_they_were_measured_and_read_back(record: dict[str, Any]) -> None:
    assert "ranges" not in Manifest.from_json(record).to_json()["sampling"]
    ranges(record)
    read = Manifest.from_json(record)
    assert [one.level for one in read.sampling.ranges] == [0.0, 0.5]
    assert Manifest.from_bytes(read.to_bytes()) == read


FIGURES = {
    "gate_pictures": 8, "gate_cosines": "0.99 0.98", "gate_psnr": 30.0, "gate_least_psnr": 20.0, "gate_ssim": 0.95,
    "gate_least_ssim": 0.7,
}  # fmt: skip

BROKEN: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "another format": (lambda r: r.update(format="zip"), "format"),
    "a newer version": (lambda r: r.update(version=2), "version: received 2, expected 1"),
    "a version that is true": (lambda r: r.update(version=True), "version"),
    "a version that is 1.0": (lambda r: r.update(version=1.0), "version"),
    "an unknown key": (lambda r: r.update(hooks=[]), "unknown key 'hooks'"),
    "a missing key": (lambda r: r.pop("sampling"), "no key 'sampling'"),
    "an unknown key in an engine": (lambda r: first_engine(r).update(x=1), "components.denoiser.engines[0]"),
    "an unknown kind": (lambda r: r.update(kind="archive"), "kind"),
    "an export of compiled engines": (lambda r: r.update(kind="export"), "engines[0].target"),
    "a name with a slash": (lambda r: r.update(name="a/b"), "name"),
    "a name of 65 letters": (lambda r: r.update(name="a" * 65), "name"),
    "a family with an escape sequence": (lambda r: r.update(family="\x1b[2J"), "family"),
    "a family with a lone surrogate": (lambda r: r.update(family="\ud800"), "family"),
    "a family with a reversed direction": (lambda r: r.update(family="a\u202eb"), "family"),
    "a space without channels": (lambda r: r["spaces"][0].pop("channels"), "spaces[0]"),
    "a space with an unknown key": (lambda r: r["spaces"][0].update(x=1), "spaces[0]"),
    "a space with scaling 0": (lambda r: r["spaces"][0].update(scaling=0), "spaces[0]"),
    "a space with scaling infinity": (lambda r: r["spaces"][0].update(scaling=math.inf), "spaces[0].scaling"),
    "a space with a mean of another length": (lambda r: r["spaces"][0].update(mean=[1.0]), "spaces[0]"),
    "a space twice": (lambda r: r["spaces"].append(r["spaces"][0]), "spaces"),
    "an embedding 0 wide": (lambda r: r["embeddings"][0].update(width=0), "embeddings[0]"),
    "no component": (lambda r: r.update(components={}), "components"),
    "a component named with a slash": (lambda r: r["components"].update({"a/b": denoiser(r)}), "components"),
    "a tensor that is no symbol": (lambda r: denoiser(r)["inputs"][0].update(tensor="x"), "inputs[0].tensor"),
    "a tensor that is a number": (lambda r: denoiser(r)["inputs"][0].update(tensor=1), "inputs[0].tensor"),
    "a tensor twice": (lambda r: denoiser(r)["inputs"].append(denoiser(r)["inputs"][0]), "inputs[4].tensor"),
    "a shape with 0": (lambda r: denoiser(r)["inputs"][0].update(shape=[0]), "inputs[0].shape[0]"),
    "a shape with true": (lambda r: denoiser(r)["inputs"][0].update(shape=[True]), "inputs[0].shape[0]"),
    "a shape with 2.0": (lambda r: denoiser(r)["inputs"][0].update(shape=[2.0]), "inputs[0].shape[0]"),
    "a shape with an expression": (lambda r: denoiser(r)["inputs"][0].update(shape=["B*2"]), "shape[0]"),
    "no output": (lambda r: denoiser(r).update(outputs=[]), "outputs"),
    "no engine": (lambda r: denoiser(r).update(engines=[]), "engines"),
    "65 engines": (lambda r: denoiser(r).update(engines=[first_engine(r)] * 65), "at most 64"),
    "an engine that is not listed": (lambda r: first_engine(r).update(path="a.onnx"), "engines[0].path"),
    "an ORT engine not named .onnx": (lambda r: first_engine(r).update(path="a.bin"), "engines[0].path"),
    "a limit of an unknown dimension": (lambda r: first_engine(r).update(limits={"Z": [1, 1, 1]}), "'Z'"),
    "a limit out of order": (lambda r: first_engine(r).update(limits={"B": [2, 1, 4]}), "limits.B"),
    "a limit of two sizes": (lambda r: first_engine(r).update(limits={"B": [1, 2]}), "limits.B"),
    "a fingerprint with a float": (lambda r: first_engine(r).update(fingerprint={"a": 0.5}), "fingerprint.a"),
    "a fingerprint with an object": (
        lambda r: first_engine(r).update(fingerprint={"a": {}}),
        "fingerprint.a",
    ),
    "a parity without a tolerance": (lambda r: first_engine(r)["parity"].pop("tolerance"), "'tolerance'"),
    "a parity of NaN": (lambda r: first_engine(r)["parity"].update(relative=math.nan), "parity.relative"),
    "a parity below 0": (lambda r: first_engine(r)["parity"].update(relative=-1), "parity.relative"),
    "a parity whose figure is text": (
        lambda r: first_engine(r)["parity"].update(FIGURES | {"gate_psnr": "nan"}),
        "gate_... that are no numbers",
    ),
    "a parity whose list of figures holds NaN": (
        lambda r: first_engine(r)["parity"].update(FIGURES | {"gate_cosines": "0.99 nan"}),
        "that are no numbers",
    ),
    "a default of 8,192 pixels": (
        lambda r: r["sampling"].update(width=8192, height=8192),
        "sampling.width: received '8192x8192', expected a default",
    ),
    "a multiple that splits elements of the latent": (
        lambda r: r["sampling"].update(size_multiple=4),
        "sampling.size_multiple: received 4, expected a multiple of 8",
    ),
    "a condition beyond float32": (
        lambda r: r["sampling"].update(conditions={"size": [[1e300], None]}),
        "sampling.conditions.size: received 1e+300",
    ),
    "a tokenizer of a million tokens": (
        lambda r: r["components"]["text_encoder"]["tokenizer"].update(max_length=1 << 20),
        "from 1 to 32768",
    ),
    "probes that are not listed": (lambda r: r["probes"].update(denoiser="a.safetensors"), "probes.denoiser"),
    "probes outside of the bundle": (lambda r: r["probes"].update(denoiser="../a.safetensors"), "probes.denoiser"),
    "no probes": (lambda r: r.pop("probes"), "no key 'probes'"),
    "a tokenizer where nothing reads tokens": (
        lambda r: denoiser(r).update(tokenizer=r["components"]["text_encoder"]["tokenizer"]),
        "components.denoiser.tokenizer",
    ),
    "no tokenizer where tokens are read": (
        lambda r: r["components"]["text_encoder"].pop("tokenizer"),
        "components.text_encoder.tokenizer",
    ),
    "a tokenizer of another length": (
        lambda r: r["components"]["text_encoder"]["tokenizer"].update(max_length=76),
        "tokenizer.max_length",
    ),
    "a tokenizer of another digest": (
        lambda r: r["files"][TOKENIZER].update(sha256="0" * 64),
        "components.text_encoder.tokenizer.path",
    ),
    "an unknown overflow": (
        lambda r: r["components"]["text_encoder"]["tokenizer"].update(overflow="wrap"),
        "components.text_encoder.tokenizer.overflow",
    ),
    "an overflow that is a list": (
        lambda r: r["components"]["text_encoder"]["tokenizer"].update(overflow=[]),
        "components.text_encoder.tokenizer.overflow",
    ),
    "a tokenizer without room between start and end": (
        lambda r: r["components"]["text_encoder"]["tokenizer"].update(max_length=2, start_id=0, end_id=1),
        "tokenizer.max_length: received 2, expected more than the 2 tokens",
    ),
    "a pad_id below 0": (
        lambda r: r["components"]["text_encoder"]["tokenizer"].update(pad_id=-1),
        "tokenizer.pad_id",
    ),
    "a word of one vector": (
        lambda r: r["components"]["text_encoder"]["tokenizer"].update(vectors={"<toy>": 1}),
        "tokenizer.vectors.<toy>: received 1, expected an integer from 2 to 1024",
    ),
    "a word of a million vectors": (
        lambda r: r["components"]["text_encoder"]["tokenizer"].update(vectors={"<toy>": 1_000_000}),
        "tokenizer.vectors.<toy>",
    ),
    "an empty word": (
        lambda r: r["components"]["text_encoder"]["tokenizer"].update(vectors={"": 2}),
        "tokenizer.vectors: received '', expected a word",
    ),
    "vectors that are a list": (
        lambda r: r["components"]["text_encoder"]["tokenizer"].update(vectors=["<toy>"]),
        "tokenizer.vectors",
    ),
    "a schedule with an object": (lambda r: r["sampling"]["schedule"].update(a={}), "sampling.schedule.a"),
    "a schedule with a list of text": (lambda r: r["sampling"]["schedule"].update(a=["b"]), "schedule.a[0]"),
    "0 steps": (lambda r: r["sampling"].update(steps=0), "sampling.steps"),
    "guidance as text": (lambda r: r["sampling"].update(guidance="7.5"), "sampling.guidance"),
    "guidance infinity": (lambda r: r["sampling"].update(guidance=math.inf), "sampling.guidance"),
    "an unknown unconditional": (lambda r: r["sampling"].update(unconditional="none"), "sampling.unconditional"),
    "a condition named as the negative one of another": (
        lambda r: r["sampling"].update(conditions={"negative_a": [[1], None]}),
        "sampling.conditions: received 'negative_a', expected a name that does not begin with negative_",
    ),
    "a condition without a pair": (lambda r: r["sampling"].update(conditions={"a": [[1]]}), "sampling.conditions.a"),
    "a condition of nothing": (lambda r: r["sampling"].update(conditions={"a": [[], None]}), "sampling.conditions.a"),
    "a condition of text": (lambda r: r["sampling"].update(conditions={"a": [["1"], None]}), "sampling.conditions.a"),
    "unlike conditions": (lambda r: r["sampling"].update(conditions={"a": [[1], [1, 2]]}), "sampling.conditions.a"),
    "a condition with a bad name": (lambda r: r["sampling"].update(conditions={"A b": [[1], None]}), "conditions"),
    "a condition without a port": (
        lambda r: r["sampling"].update(conditions={"a": [[1], None]}),
        "sampling.conditions",
    ),
    "a condition port without a shape": (
        lambda r: denoiser(r)["inputs"].append({"tensor": "condition__size__k2__float32__00000000", "shape": []}),
        "sampling.conditions: received 'none', expected those of the condition ports, size [0]",
    ),
    "a latent without channels": (
        lambda r: denoiser(r)["inputs"].append({"tensor": "latent__sd__f8__float32__00000000", "shape": []}),
        "components: latent__sd__f8__float32__00000000 has no 'c' in its layout",
    ),
    "a latent without a downscale": (
        lambda r: denoiser(r)["inputs"].append({"tensor": "latent__sd__c4__float32__00000000", "shape": []}),
        "components.denoiser: latent__sd__c4__float32__00000000 has no 'f' in its layout",
    ),
    "a range without a level": (lambda r: ranges(r)[0].pop("level"), "sampling.ranges[0]: received no key 'level'"),
    "a range with an unknown key": (lambda r: ranges(r)[0].update(x=1), "sampling.ranges[0]"),
    "a level above 1": (lambda r: ranges(r)[1].update(level=1.5), "sampling.ranges[1].level"),
    "levels that do not rise": (lambda r: ranges(r)[1].update(level=0), "sampling.ranges[1].level"),
    "a range of infinity": (lambda r: ranges(r)[0].update(rms=[0, math.inf]), "ranges[0].rms"),
    "a range the wrong way round": (lambda r: ranges(r)[0].update(rms=[2, 1]), "ranges[0].rms"),
    "a range of one number": (lambda r: ranges(r)[0].update(rms=[2]), "ranges[0].rms"),
    "a deviation below 0": (lambda r: ranges(r)[0]["std"].__setitem__(0, [-1, 1]), "ranges[0].std[0]"),
    "a range without channels": (lambda r: ranges(r)[0].update(mean=[], std=[]), "ranges[0].std"),
    "a range of unlike channels": (lambda r: ranges(r)[0]["std"].pop(), "ranges[0].std"),
    "a range of channels that no latent has": (
        lambda r: [(one["mean"].pop(), one["std"].pop()) for one in ranges(r)],
        "sampling.ranges[0].mean: received 3 channels, expected those of the latents, 4",
    ),
    "ranges of unlike channels": (
        lambda r: (ranges(r)[1]["mean"].pop(), ranges(r)[1]["std"].pop()),
        "sampling.ranges[1].mean",
    ),
    "65 ranges": (lambda r: r["sampling"].update(ranges=[ranges(r)[0]] * 65), "sampling.ranges"),
    "ranges that are an object": (lambda r: r["sampling"].update(ranges={}), "sampling.ranges"),
    "a width off the multiple": (lambda r: r["sampling"].update(width=100), "sampling.width"),
    "a provenance of a list": (lambda r: r["provenance"].update(a=[]), "provenance.a"),
    "a provenance of 1025 letters": (lambda r: r["provenance"].update(a="a" * 1025), "provenance.a"),
    "65 provenances": (lambda r: r.update(provenance={f"k{n}": "" for n in range(65)}), "provenance"),
    "no file": (lambda r: r.update(files={}), "files"),
    "a hash in capitals": (lambda r: r["files"][TOKENIZER].update(sha256="A" * 64), "sha256"),
    "a size below 0": (lambda r: r["files"][TOKENIZER].update(size=-1), "size"),
    "a size beyond 2^53": (lambda r: r["files"][TOKENIZER].update(size=2**60), "size"),
    "an integer of 400 digits": (lambda r: r["spaces"][0].update(scaling=10**400), "spaces[0].scaling"),
    "components as a list": (lambda r: r.update(components=[]), "components"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_manifest_is_refused_with_the_key_named_when_it_has(broken: str, record: dict[str, Any]) -> None:
    change, named = BROKEN[broken]
    change(record)
    with pytest.raises(BundleError) as caught:
        Manifest.from_json(record)
    assert named in caught.value.message
    assert "latentlink build EXPORTED BUNDLE" in caught.value.remedy
    assert len(caught.value.message) < 1000


def with_conditions(small: Manifest, conditions: dict[str, Any]) -> Manifest:
    """The manifest of a denoiser with a condition of two numbers, and defaults for these conditions."""
    denoiser = small.components["denoiser"]
    sized = replace(denoiser, inputs=(*denoiser.inputs, condition_port("size", 2)))
    return replace(
        small,
        components={**small.components, "denoiser": sized},
        sampling=replace(small.sampling, conditions=conditions),
    )


def test_conditions_are_those_of_the_ports(small_manifest: Manifest) -> None:
    assert with_conditions(small_manifest, {"size": ((1.0, 2.0), None)}).sampling.conditions == {
        "size": ((1.0, 2.0), None)
    }


@pytest.mark.parametrize(
    "conditions", [{}, {"other": ((1.0, 2.0), None)}, {"size": ((1.0,), None)}, {"size": ((1.0, 2.0, 3.0), None)}]
)
def test_conditions_other_than_those_of_the_ports_are_refused(
    small_manifest: Manifest, conditions: dict[str, Any]
) -> None:
    with pytest.raises(BundleError, match=r"sampling\.conditions: received .*, expected .*size \[2\]"):
        with_conditions(small_manifest, conditions)


UNSAFE = (
    "../secret", "a/../b", "a/./b", "./a", "..", ".", "", "/etc/passwd", "a//b", "a/", "C:/a", "C:a", "a\\b",
    "\\\\host\\share", "a\0b", "a\nb", "a b", "~/a", "-a", ".hidden", "a/.hidden/b", "a.", "a/b./c", "a:stream",
    "e\u0301", "\u00e9", "\ud800", "a" * 256, "manifest.json", "Manifest.JSON", "manifest.json/a",
)  # fmt: skip


@pytest.mark.parametrize("path", UNSAFE)
def test_a_listed_path_is_refused_when_it_is(path: str, record: dict[str, Any]) -> None:
    record["files"][path] = {"sha256": "0" * 64, "size": 0}
    with pytest.raises(BundleError, match=r"manifest\.json, files"):
        Manifest.from_json(record)


@pytest.mark.parametrize("path", UNSAFE[:20])
def test_an_engines_path_is_refused_when_it_is(path: str) -> None:
    with pytest.raises(BundleError, match="path: received"):
        EngineEntry(target="tensorrt", precision="float16", path=path)


@pytest.mark.parametrize(("one", "other"), [("a/b", "a/B"), ("a/b", "A/c"), ("a", "a/b"), ("a/b/c", "a/b")], ids=str)
def test_two_listed_paths_are_refused_when_some_file_system_takes_them_for_one(
    one: str, other: str, record: dict[str, Any]
) -> None:
    for path in (one, other):
        record["files"][path] = {"sha256": "0" * 64, "size": 0}
    with pytest.raises(BundleError, match=r"manifest\.json, files"):
        Manifest.from_json(record)


def test_an_edited_record_keeps_its_place_but_loses_its_digest(record: dict[str, Any]) -> None:
    before = Manifest.from_json(record).spaces[0].digest
    record["spaces"][0]["scaling"] = 0.13025
    assert Manifest.from_json(record).spaces[0].digest != before


@pytest.mark.parametrize("target", TARGETS)
def test_the_format_that_a_target_of_the_table_reads_is_the_one_that_a_manifest_asks_for(target: str) -> None:
    suffixes = [suffix for names, (suffix, _) in FILE_FORMATS.items() if names.fullmatch(target)]
    assert all(TARGETS[target].file.endswith(suffix) for suffix in suffixes)
    assert bool(suffixes) == (not TARGETS[target].file.endswith(".plan"))
