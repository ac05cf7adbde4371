"""EPContext models: what ONNX Runtime's providers get, and what is made of the files that they write.

No provider of them compiles without a GPU; a stand-in writes what they write.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from latentlink.engine.builders import BuildOptions, Job
from latentlink.engine.builders import ep_context as ep_context_builder
from latentlink.engine.builders.ep_context import build_engine, profile_options
from latentlink.engine.bundle import SizeRange
from latentlink.engine.bundle.onnx_locations import external_locations
from latentlink.engine.targets import TARGETS, machine
from latentlink.errors import BuildError, PreflightError
from latentlink.ports import Port, coefficients_port, latent_port, tokens_port
from latentlink.spaces import LatentSpace

LATENT = latent_port(LatentSpace(name="one", channels=4, downscale=8))
INPUTS = (LATENT.at("x"), coefficients_port(), tokens_port("clip", 77, "0" * 64))
LIMITS: Mapping[str, SizeRange] = {"B": (1, 2, 4), "h": (8, 16, 32), "w": (64, 64, 64), "N": (1, 1, 2)}
COMPILED = ("ort-tensorrt", "ort-nv-rtx")


def job(folder: Path, target: str = "ort-tensorrt", **options: Any) -> Job:
    folder.mkdir(exist_ok=True)
    return Job(
        target=target,
        component="denoiser",
        precision="float32",
        source=folder.parent / "graph.onnx",
        out=folder / "model.onnx",
        inputs=INPUTS,
        outputs=(LATENT,),
        limits=LIMITS,
        options=BuildOptions(**options),
    )


def value(port: Port) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(port.tensor, TensorProto.FLOAT, [str(dim) for dim in port.shape])


def model(inputs: tuple[Port, ...], outputs: tuple[Port, ...], *nodes: onnx.NodeProto) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "compiled", [value(port) for port in inputs], [value(port) for port in outputs])
    sets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=sets, ir_version=10)


def context(inputs: tuple[Port, ...], outputs: tuple[Port, ...], engine: str) -> onnx.NodeProto:
    """The node that TensorRT's provider writes (onnx_ctx_model_helper.cc)."""
    return helper.make_node(
        "EPContext",
        [port.tensor for port in inputs],
        [port.tensor for port in outputs],
        domain="com.microsoft",
        embed_mode=0,
        ep_cache_context=engine,
        hardware_architecture="89",
        onnx_model_filename="graph.onnx",
    )


NAME = "TensorrtExecutionProvider_TRTKernel_graph_main_1_0_0_sm89"


def whole(build_job: Job) -> None:
    """What a provider leaves that took all of a graph."""
    onnx.save(
        model(build_job.inputs, build_job.outputs, context(build_job.inputs, build_job.outputs, f"{NAME}.engine")),
        build_job.out,
    )
    (build_job.out.parent / f"{NAME}.engine").write_bytes(b"engine")
    (build_job.out.parent / f"{NAME}.profile").write_bytes(b"profile")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    card = machine.Gpu(name="an Ada GPU", capability=(8, 9), memory=1 << 34)
    monkeypatch.setattr(machine, "_cuda", lambda: ((13, 1), (card,)))


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Job], None]], dict[str, str]]:
    """Puts something that writes files in the place of every provider; the options that it was given come back."""

    def put(write: Callable[[Job], None]) -> dict[str, str]:
        provider_options: dict[str, str] = {}

        def compile_(build_job: Job, extra: Mapping[str, str]) -> None:
            provider_options.update(extra)
            write(build_job)

        monkeypatch.setattr(ep_context_builder, "COMPILERS", dict.fromkeys(COMPILED, compile_))
        return provider_options

    return put


@pytest.mark.parametrize(("target", "prefix"), [("ort-tensorrt", "trt"), ("ort-nv-rtx", "nv")])
def test_sizes_are_told_of_every_input_with_free_dimensions(target: str, prefix: str, tmp_path: Path) -> None:
    x, rows, ids = (port.tensor for port in INPUTS)
    assert profile_options(job(tmp_path / "out", target)) == {
        f"{prefix}_profile_min_shapes": f"{x}:1x4x8x64,{rows}:1x15,{ids}:1x77",
        f"{prefix}_profile_opt_shapes": f"{x}:2x4x16x64,{rows}:2x15,{ids}:1x77",
        f"{prefix}_profile_max_shapes": f"{x}:4x4x32x64,{rows}:4x15,{ids}:2x77",
    }


def test_nothing_is_told_where_all_sizes_are_fixed(tmp_path: Path) -> None:
    build_job = job(tmp_path / "out")
    fixed = Port.parse(LATENT.at("x").tensor, (1, 4, 8, 8))
    assert profile_options(Job(**{**_fields(build_job), "inputs": (fixed,)})) == {}


def _fields(build_job: Job) -> dict[str, Any]:
    return {name: getattr(build_job, name) for name in Job.__dataclass_fields__}


@pytest.mark.parametrize("target", COMPILED)
def test_without_a_gpu_nothing_is_compiled(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_cuda", lambda: (None, ()))
    with pytest.raises(PreflightError, match=f"{target} builds on a GPU .* this machine has no CUDA device"):
        build_engine(job(tmp_path / "out", target))


@pytest.mark.usefixtures("gpu")
def test_a_provider_that_is_not_installed_is_named(tmp_path: Path) -> None:
    if TARGETS["ort-tensorrt"].packages[0].distributions[0] in machine.this_machine().versions:
        pytest.skip("onnxruntime-gpu is installed")
    with pytest.raises(PreflightError, match=r"TensorrtExecutionProvider.*onnxruntime-gpu"):
        build_engine(job(tmp_path / "out"))


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("target", COMPILED)
def test_an_engine_gets_a_plain_name_and_nothing_else_stays(
    target: str, tmp_path: Path, compiler: Callable[[Callable[[Job], None]], dict[str, str]]
) -> None:
    provider_options = compiler(whole)
    build_job = job(tmp_path / "out", target)
    facts = build_engine(build_job)
    assert facts["compute_capability"] == ("8.9",)
    assert facts["engines"] == 1
    assert provider_options == {**ep_context_builder.OPTIONS[target], **profile_options(build_job)}
    assert {path.name: path.read_bytes()[:6] for path in build_job.out.parent.iterdir() if path != build_job.out} == {
        "model.engine": b"engine"
    }
    assert external_locations(build_job.out) == {b"model.engine"}
    (node,) = onnx.load(build_job.out).graph.node
    assert "onnx_model_filename" not in {attribute.name for attribute in node.attribute}


@pytest.mark.usefixtures("gpu")
def test_a_graph_that_is_taken_in_part_is_refused(
    tmp_path: Path, compiler: Callable[[Callable[[Job], None]], dict[str, str]]
) -> None:
    between = LATENT.at("noise")

    def with_a_node_of_its_own(build_job: Job) -> None:
        whole(build_job)
        first = context(build_job.inputs, (between,), f"{NAME}.engine")
        rest = helper.make_node("NonZero", [between.tensor], [LATENT.tensor])
        onnx.save(model(build_job.inputs, build_job.outputs, first, rest), build_job.out)

    def only_a_part(build_job: Job) -> None:
        whole(build_job)
        onnx.save(
            model((between,), build_job.outputs, context((between,), build_job.outputs, f"{NAME}.engine")),
            build_job.out,
        )

    for write, named in ((with_a_node_of_its_own, "NonZero"), (only_a_part, "another part")):
        compiler(write)
        with pytest.raises(BuildError, match=rf"denoiser for ort-tensorrt: it leaves out .*{named}"):
            build_engine(job(tmp_path / named))


@pytest.mark.usefixtures("gpu")
def test_a_compilation_that_fails_is_told_as_such(
    tmp_path: Path, compiler: Callable[[Callable[[Job], None]], dict[str, str]]
) -> None:
    def fails(build_job: Job) -> None:
        raise RuntimeError("TensorRT EP failed\nto create engine")

    def without_engine(build_job: Job) -> None:
        whole(build_job)
        (build_job.out.parent / f"{NAME}.engine").unlink()

    for write, message in (
        (fails, "TensorRT EP failed to create engine"),
        (lambda build_job: None, "it wrote no model"),
        (without_engine, "an engine that is not there"),
    ):
        compiler(write)
        with pytest.raises(BuildError, match=message):
            build_engine(job(tmp_path / "out"))


@pytest.mark.usefixtures("gpu")
def test_what_was_measured_is_kept_for_the_next_build(
    tmp_path: Path, compiler: Callable[[Callable[[Job], None]], dict[str, str]]
) -> None:
    cache = tmp_path / "kept" / "cache"

    def measures(build_job: Job) -> None:
        file = Path(provider_options["trt_timing_cache_path"]) / "TensorrtExecutionProvider_cache_sm89.timing"
        file.write_bytes((file.read_bytes() if file.is_file() else b"") + b"measured")
        whole(build_job)

    provider_options = compiler(measures)
    for number in (1, 2):
        build_job = job(tmp_path / f"out{number}", timing_cache=cache)
        build_engine(build_job)
        assert provider_options["trt_timing_cache_enable"] == "1"
        assert cache.read_bytes() == b"measured" * number
        assert {path.name for path in build_job.out.parent.iterdir()} == {"model.onnx", "model.engine"}


def test_each_provider_is_told_to_keep_the_engine_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_job = job(tmp_path / "out")
    calls: dict[str, Any] = {}
    monkeypatch.setattr(
        ep_context_builder, "open_inference", lambda *provider_options: calls.update(opened=provider_options)
    )
    monkeypatch.setattr(ep_context_builder, "attach", lambda *provider_options: calls.update(attached=provider_options))

    class Compiler:
        def __init__(self, options: Any, source: Path, **more: Any) -> None:
            calls.update(source=source, **more)

        def compile_to_file(self, path: str) -> None:
            calls.update(path=path)

    monkeypatch.setattr(ort, "ModelCompiler", Compiler)
    ep_context_builder._by_opening(build_job, {"trt_profile_min_shapes": "x:1"})
    source, _, target, options = calls["opened"]
    assert (source, target) == (build_job.source, "ort-tensorrt")
    assert options["trt_ep_context_file_path"] == str(build_job.out)
    assert options["trt_ep_context_embed_mode"] == "0"
    assert options["trt_profile_min_shapes"] == "x:1"
    assert not {"trt_fp16_enable", "trt_bf16_enable", "trt_int8_enable"} & {*options}
    ep_context_builder._by_compiler(build_job, {"nv_profile_min_shapes": "x:1"})
    assert calls["attached"][2] == {"nv_profile_min_shapes": "x:1"}
    assert (calls["source"], calls["path"]) == (build_job.source, str(build_job.out))
    assert calls["embed_compiled_data_into_model"] is False


@pytest.mark.parametrize(
    ("precision", "allowed"),
    [("float16", "trt_fp16_enable"), ("bfloat16", "trt_bf16_enable"), ("int8", "trt_int8_enable")],
)
def test_tensorrts_provider_is_allowed_the_type_of_the_precision(
    precision: str, allowed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, str] = {}
    monkeypatch.setattr(ep_context_builder, "open_inference", lambda *arguments: given.update(arguments[-1]))
    ep_context_builder._by_opening(Job(**{**_fields(job(tmp_path / "out")), "precision": precision}), {})
    assert [name for name in given if name.endswith(("16_enable", "int8_enable"))] == [allowed]


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize(
    ("target", "option"),
    [("ort-tensorrt", "trt_load_user_initializer"), ("ort-nv-rtx", "nv_use_external_data_initializer")],
)
def test_weights_are_given_by_their_addresses_as_a_graph_with_them_may_be_too_large(
    target: str, option: str, tmp_path: Path, compiler: Callable[[Callable[[Job], None]], dict[str, str]]
) -> None:
    given = compiler(whole)
    build_engine(job(tmp_path / "out", target))
    assert given[option] == "1"


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("before", [None, "1"])
def test_float32_is_compiled_without_tf32_and_the_variable_is_as_before(
    before: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    compiler: Callable[[Callable[[Job], None]], dict[str, str]],
) -> None:
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    if before is not None:
        monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", before)
    seen: list[str | None] = []

    def write(build_job: Job) -> None:
        seen.append(os.environ.get("NVIDIA_TF32_OVERRIDE"))
        whole(build_job)

    compiler(write)
    build_engine(job(tmp_path / "out"))
    assert seen == ["0"]
    assert os.environ.get("NVIDIA_TF32_OVERRIDE") == before
