"""A small whole bundle to open, copy and attack. Its engines are ONNX files without a node."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest

from latentlink.engine.bundle import (
    ComponentEntry,
    EngineEntry,
    FileEntry,
    Manifest,
    Sampling,
    TokenizerEntry,
    write_bundle,
)
from latentlink.ports import coefficients_port, guidance_port, image_port, latent_port, text_port, tokens_port
from latentlink.spaces import KNOWN_SPACES, LatentSpace, TextEmbedding
from tests.both_readers import Readers, comparing, start_readers
from tests.native.built_files import FOLDER, GIVEN

TOKENIZER = b'{"version": "1.0"}'
Edit = Callable[[dict[str, Any]], object]


def model_bytes(location: str | None = None) -> bytes:
    """An ONNX model with one initialiser, kept in `location` if that is given."""
    tensor = onnx.TensorProto(name="weights", dims=[2], data_type=onnx.TensorProto.FLOAT)
    if location is None:
        tensor.raw_data = bytes(8)
    else:
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
        tensor.external_data.add(key="length", value="8")
    model = onnx.ModelProto(ir_version=10, graph=onnx.GraphProto(initializer=[tensor]))
    return bytes(model.SerializeToString())


def engine(component: str) -> EngineEntry:
    """An ort-cpu engine at its usual place."""
    return EngineEntry(
        target="ort-cpu",
        precision="float32",
        path=f"engines/{component}/ort-cpu/model.onnx",
        fingerprint={
            "onnxruntime": "1.24.0",
            "features": ("avx2", "fma"),
            "gpu": None,
            "sm": 90,
            "exact": True,
        },
        parity={"reference": "torch 2.13 float32", "max_abs": 1e-5, "relative": 5e-6, "tolerance": 1e-4},
    )


def manifest() -> Manifest:
    """A manifest without files."""
    space = KNOWN_SPACES["sd"]
    text = TextEmbedding(name="clip-l", width=768)
    tokens = tokens_port("clip", 77, hashlib.sha256(TOKENIZER).hexdigest())
    latent = latent_port(space)
    return Manifest(
        kind="bundle",
        name="small",
        family="none",
        spaces=(space, LatentSpace(name="wan", channels=2, downscale=8, mean=(0.1, 0.2), std=(1.5, 1 / 3))),
        embeddings=(text,),
        components={
            "text_encoder": ComponentEntry(
                inputs=(tokens,),
                outputs=(text_port(text),),
                engines=(engine("text_encoder"),),
                tokenizer=TokenizerEntry(
                    path="tokenizers/text_encoder/tokenizer.json",
                    max_length=77,
                    pad_id=49407,
                    start_id=49406,
                    end_id=49407,
                    vectors={"<cat-toy>": 3},
                ),
            ),
            "denoiser": ComponentEntry(
                inputs=(latent.at("x"), coefficients_port(), guidance_port(), text_port(text)),
                outputs=(latent,),
                engines=(engine("denoiser"),),
            ),
            "vae_decoder": ComponentEntry(inputs=(latent,), outputs=(image_port(),), engines=(engine("vae_decoder"),)),
        },
        sampling=Sampling(
            schedule={"beta_start": 0.00085, "num_train_timesteps": 1000, "betas": (0.1, 0.2), "x0": None},
            sampler="pndm",
            steps=50,
            guidance=7.5,
            width=512,
            height=512,
            size_multiple=64,
        ),
        provenance={"checkpoint": "small", "torch": "2.13.0"},
    )


def fill(folder: Path) -> None:
    """The files of `manifest()`, made: the denoiser's weights are beside its model."""
    for name in ("text_encoder", "denoiser", "vae_decoder"):
        path = folder / f"engines/{name}/ort-cpu/model.onnx"
        path.parent.mkdir(parents=True)
        path.write_bytes(model_bytes("model.onnx.data" if name == "denoiser" else None))
    (folder / "engines/denoiser/ort-cpu/model.onnx.data").write_bytes(bytes(range(256)) * 8192)
    path = folder / "tokenizers/text_encoder/tokenizer.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(TOKENIZER)


class SmallBundle:
    """The small bundle on disk, and what an attacker can do to it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        fill(root)
        self.manifest = write_bundle(root, manifest())

    model_bytes = staticmethod(model_bytes)

    def edit(self, change: Edit) -> None:
        """Change the JSON of the manifest."""
        path = self.root / "manifest.json"
        record = json.loads(path.read_bytes())
        change(record)
        path.write_text(json.dumps(record))

    def put(self, path: str, data: bytes) -> None:
        """Write a file and list it with its true size and hash."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        self.list(path, data)

    def list(self, path: str, data: bytes) -> None:
        """List a path with the size and hash of `data`."""
        entry = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        self.edit(lambda record: record["files"].update({path: entry}))


@pytest.fixture(scope="session")
def readers() -> Iterator[Readers | None]:
    """The native readers; None if they were not built."""
    started = start_readers(FOLDER, required=GIVEN is not None)
    yield started
    if started is not None:
        started.close()


@pytest.fixture(autouse=True)
def both_readers(readers: Readers | None, request: pytest.FixtureRequest) -> Iterator[None]:
    """Ask the native readers whatever a test asks Python's."""
    if readers is None or request.node.get_closest_marker("python_reader") is not None:
        yield
        return
    with comparing(readers, request.module):
        yield


@pytest.fixture
def small_manifest() -> Manifest:
    """A manifest without files."""
    return manifest()


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A folder with the files of the small bundle, but no manifest."""
    folder = tmp_path / "filled"
    folder.mkdir()
    fill(folder)
    return folder


@pytest.fixture
def small(tmp_path: Path) -> SmallBundle:
    """The small bundle, written."""
    return SmallBundle(tmp_path / "small")


@pytest.fixture
def whole_manifest(small_manifest: Manifest) -> Manifest:
    """The small manifest, with files."""
    files: dict[str, FileEntry] = {}
    for digit, component in zip("abcdef", small_manifest.components.values(), strict=False):
        files |= {engine.path: FileEntry(sha256=digit * 64, size=int(digit, 16)) for engine in component.engines}
        if component.tokenizer is not None:
            tokens = component.inputs[0]
            files[component.tokenizer.path] = FileEntry(sha256=tokens.digest + "0" * 56, size=20)
    return replace(small_manifest, files=files)


@pytest.fixture
def record(whole_manifest: Manifest) -> dict[str, Any]:
    """The same as fresh JSON values, to edit."""
    value: dict[str, Any] = json.loads(whole_manifest.to_bytes())
    return value
