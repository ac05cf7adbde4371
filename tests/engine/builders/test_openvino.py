"""OpenVINO engines of the tiny export: the ports they keep, what they compute in, the pictures they make."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from latentlink.engine.builders import Job, open_on_cpu
from latentlink.engine.builders.openvino import build_engine
from latentlink.engine.bundle import Bundle, SizeRange, read_probes
from latentlink.engine.precision import convert
from latentlink.errors import BuildError
from latentlink.ports import latent_port
from latentlink.runtime.sessions import open_session
from latentlink.spaces import LatentSpace

Build = Callable[..., Path]


@pytest.fixture
def built(tiny_export: Path, tmp_path: Path) -> Build:
    """Builds one component's engine."""
    export = Bundle.open(tiny_export)

    def build(
        name: str,
        folder: str,
        *,
        source: Path | None = None,
        precision: str = "float32",
        limits: dict[str, SizeRange] | None = None,
    ) -> Path:
        entry = export.manifest.components[name]
        out = tmp_path / folder / "model.xml"
        out.parent.mkdir()
        build_engine(
            Job(
                target="openvino-cpu",
                component=name,
                precision=precision,
                source=source or export.file(entry.engines[0].path),
                out=out,
                inputs=entry.inputs,
                outputs=entry.outputs,
                limits=limits or {},
            )
        )
        return out

    return build


# random weights draw noise, which the guards would refuse
DRAW = """
import sys
import numpy as np
import latentlink
with latentlink.load(sys.argv[1]) as ours, latentlink.load(sys.argv[2]) as theirs:
    assert {(one.target, one.precision) for one in ours.decisions} == {("openvino-cpu", "float32")}, ours.decisions
    for width, count in ((32, 1), (48, 2)):
        made = []
        for pipe in (ours, theirs):
            arguments = dict(seed=7, steps=4, width=width, height=32, num_images=count, guard="off")
            first = pipe.generate("a red circle", **arguments).images
            # made from the first, which runs the encoder
            made.append(first + pipe.generate("a circle", init_image=first[0], strength=0.5, **arguments).images)
        for one, other in zip(*made, strict=True):
            error = np.mean((np.asarray(one, float) - np.asarray(other, float)) ** 2)
            print(10 * np.log10(255**2 / max(error, 1e-12)))
"""


def test_pictures_of_two_sizes_are_those_of_onnx_runtime(tiny_openvino_bundle: Path, tiny_bundle: Path) -> None:
    # in a process of its own: TensorRT's Ctrl-C, in another test, crashed one in which a pipeline of OpenVINO had run
    done = subprocess.run(
        [sys.executable, "-c", DRAW, str(tiny_openvino_bundle), str(tiny_bundle)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = [float(line) for line in done.stdout.split()]
    assert len(found) == 6
    assert min(found) >= 55


def test_every_engine_passes_its_probes_and_has_the_declared_ports(tiny_openvino_bundle: Path) -> None:
    for component in Bundle.open(tiny_openvino_bundle).manifest.components.values():
        (engine,) = component.engines
        assert engine.path.endswith("openvino-cpu/model.xml")
        assert engine.parity is not None
    # it compares the ports that are read back with the declared ones
    subprocess.run(
        [sys.executable, "-m", "latentlink", "verify", str(tiny_openvino_bundle)], check=True, capture_output=True
    )


def test_an_engine_is_the_same_bytes_when_it_is_built_again(built: Build) -> None:
    one, other = built("vae_decoder", "one"), built("vae_decoder", "other")
    for name in ("model.xml", "model.bin"):
        assert (one.parent / name).read_bytes() == (other.parent / name).read_bytes()


def test_a_size_that_is_fixed_is_in_the_engine(built: Build) -> None:
    fixed: dict[str, SizeRange] = {"w": (8, 8, 8), "h": (4, 4, 4)}
    session = open_session(built("vae_decoder", "fixed", limits=fixed), "openvino-cpu")
    assert session.inputs[0].shape[2:] == (4, 8)
    assert isinstance(session.inputs[0].shape[0], str)


def test_in_a_bfloat16_engine_the_network_is_bfloat16_and_the_step_is_float32(
    built: Build, tiny_export: Path, tmp_path: Path
) -> None:
    export = Bundle.open(tiny_export)
    entry = export.manifest.components["denoiser"]
    model = ir.load(export.file(entry.engines[0].path))
    convert(model, "bfloat16")
    ir.save(model, tmp_path / "low.onnx", external_data="low.onnx.data")
    path = built("denoiser", "low", source=tmp_path / "low.onnx")
    text = path.read_text()
    types = {
        layer[0]: set(re.findall(r'<port id="\d+" precision="(FP32|BF16)"', layer[1]))
        for layer in re.findall(r'<layer id="\d+" name="\d+" type="(\w+)"[^>]*>(.*?)</layer>', text, re.DOTALL)
    }
    assert types["Convolution"] == {"BF16"}
    # no cast is left around a normalisation, whose kernel computes in float32 inside
    assert types["MVN"] == {"BF16"}
    assert types["Sin"] == types["Cos"] == types["Result"] == types["Parameter"] == {"FP32"}
    probes = read_probes(export.file(export.manifest.probes["denoiser"]), entry.inputs, entry.outputs)
    with open_on_cpu(path, "openvino-cpu") as run:
        found = probes.check(run, "bfloat16")
    assert found.sufficient, found.summary()
    full = (built("denoiser", "full").parent / "model.bin").stat().st_size
    assert (path.parent / "model.bin").stat().st_size < 0.6 * full


def test_a_graph_that_openvino_does_not_take_is_told(built: Build, tmp_path: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"no graph")
    with pytest.raises(BuildError, match=r"OpenVINO 20.* cannot build vae_decoder"):
        built("vae_decoder", "out", source=tmp_path / "no.onnx")


@pytest.mark.parametrize("limits", [{}, {"h": (512, 512, 512), "w": (512, 512, 512)}])
def test_a_large_group_is_normalised_without_losing_digits(limits: dict[str, SizeRange], tmp_path: Path) -> None:
    port = latent_port(LatentSpace(name="one", channels=8, downscale=8))
    x_port, y_port = port.at("x"), port
    shape = "[B, 8, h, w]"
    graph = f"""<ir_version: 10, opset_import: ["" : 18]>
    norm (float{shape} {x_port.tensor}) => (float{shape} {y_port.tensor})
    <int64[3] groups = {{0, 2, -1}}, float[2] one = {{1, 1}}, float[2] zero = {{0, 0}}> {{
        flat = Reshape({x_port.tensor}, groups)
        normal = InstanceNormalization<epsilon = 1e-6>(flat, one, zero)
        whole = Shape({x_port.tensor})
        {y_port.tensor} = Reshape(normal, whole)
    }}"""
    ir.save(ir.from_onnx_text(graph), tmp_path / "norm.onnx")
    out = tmp_path / "norm" / "model.xml"
    out.parent.mkdir()
    build_engine(
        Job(
            target="openvino-cpu",
            component="norm",
            precision="float32",
            source=tmp_path / "norm.onnx",
            out=out,
            inputs=(x_port,),
            outputs=(y_port,),
            limits=limits,
        )
    )
    # halves of one value each, whose equal terms are rounded the same way at every addition
    channels = np.array([1, 2, 3, 4] * 2, np.float32)[:, None, None]
    x = channels * np.tile(np.repeat(np.array([0.7, -0.4], np.float32), 256), (1, 8, 512, 1))
    groups = x.reshape(2, -1).astype(np.float64)
    wanted = (groups - groups.mean(1, keepdims=True)) / np.sqrt(groups.var(1, keepdims=True) + 1e-6)
    with open_on_cpu(out, "openvino-cpu") as run:
        found = run({x_port.tensor: x})[y_port.tensor].reshape(2, -1)
    # over one axis it is three times as far away
    assert np.abs(found - wanted).max() < 2e-5 * np.abs(wanted).max()
