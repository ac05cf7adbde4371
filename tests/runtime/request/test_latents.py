"""Latents as files: what was written is read back, and what was edited is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from latentlink.errors import LinkError, UsageError
from latentlink.runtime import Latents
from latentlink.runtime.request.latents import check_latents
from latentlink.spaces import KNOWN_SPACES, LatentSpace

SD = KNOWN_SPACES["sd"]
ARRAY = np.random.default_rng(0).standard_normal((2, 4, 3, 5)).astype(np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_file_keeps_values_dtype_and_space(tmp_path: Path, dtype: type) -> None:
    Latents(array=ARRAY.astype(dtype), space=SD).save(tmp_path / "a.safetensors")
    read = Latents.load(tmp_path / "a.safetensors")
    assert read.array.dtype == dtype
    assert np.array_equal(read.array, ARRAY.astype(dtype))
    assert read.space == SD


@pytest.mark.parametrize("shape", [(4, 3, 5), (1, 16, 3, 5), (0, 4, 3, 5), (1, 4, 0, 5)])
def test_an_array_that_is_no_latent_of_the_space_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=r"\[B, 4, h, w\]"):
        Latents(array=np.zeros(shape, np.float32), space=SD)


def test_what_is_no_array_or_no_space_is_refused() -> None:
    with pytest.raises(UsageError, match="Latents of list and LatentSpace"):
        Latents(array=[[1.0]], space=SD)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="Latents of ndarray and str"):
        Latents(array=ARRAY, space="sd")  # type: ignore[arg-type]


def write(path: Path, space: LatentSpace, symbol: str) -> Path:
    metadata = {"latentlink.space": json.dumps(space.to_json()), "latentlink.symbol": symbol}
    save_file({"latent": ARRAY}, path, metadata=metadata)
    return path


def test_a_symbol_that_is_not_the_spaces_is_refused(tmp_path: Path) -> None:
    honest = Latents(array=ARRAY, space=SD).symbol
    assert Latents.load(write(tmp_path / "a", SD, honest)).space == SD
    with pytest.raises(UsageError, match="was edited"):
        Latents.load(write(tmp_path / "b", KNOWN_SPACES["sdxl"], honest))


def test_a_file_without_a_space_is_refused(tmp_path: Path) -> None:
    save_file({"latent": ARRAY}, tmp_path / "a")
    with pytest.raises(UsageError, match="which latent space"):
        Latents.load(tmp_path / "a")


@pytest.mark.parametrize("content", [b"", b"\xff" * 8 + b"{}", b"\x02" + b"\0" * 7 + b"{}", b"x" * 100])
def test_bytes_that_are_no_safetensors_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(UsageError, match="is not a latents file"):
        Latents.load(tmp_path / "a")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        Latents.load(tmp_path / "nowhere")


@pytest.mark.parametrize("level", [(1.0, 0.0), (0.6, 0.8), (0.0, 1.0), (1, np.float64(1.5)), None])
def test_a_file_keeps_the_noise_level(tmp_path: Path, level: tuple[float, float] | None) -> None:
    Latents(array=ARRAY, space=SD, level=level).save(tmp_path / "a")
    assert Latents.load(tmp_path / "a").level == level


@pytest.mark.parametrize(
    "level", [(1.0,), (0.0, 0.0), (-1.0, 1.0), (float("nan"), 1.0), (1.0, float("inf")), "ab", 1.0]
)
def test_what_is_no_noise_level_is_refused(level: Any) -> None:
    with pytest.raises(UsageError, match="noise level"):
        Latents(array=ARRAY, space=SD, level=level)


def test_an_edited_noise_level_is_refused(tmp_path: Path) -> None:
    metadata = {
        "latentlink.space": json.dumps(SD.to_json()),
        "latentlink.symbol": Latents(array=ARRAY, space=SD).symbol,
        "latentlink.level": "[1]",
    }
    save_file({"latent": ARRAY}, tmp_path / "a", metadata=metadata)
    with pytest.raises(UsageError, match="noise level"):
        Latents.load(tmp_path / "a")


@pytest.mark.parametrize(
    "tensors",
    [{"samples": ARRAY}, {"latent": ARRAY, "b": ARRAY}, {"latents": ARRAY, "b": ARRAY}],
    ids=["one", "latent", "latents"],
)
def test_another_programs_tensor_is_read_where_the_space_is_said(
    tmp_path: Path, tensors: dict[str, NDArray[np.float32]]
) -> None:
    save_file(tensors, tmp_path / "a", metadata={"format": "pt"})
    read = Latents.load(tmp_path / "a", space=SD)
    assert np.array_equal(read.array, ARRAY)
    assert read.space == SD
    assert read.level is None
    with pytest.raises(UsageError, match="space=NAME"):
        Latents.load(tmp_path / "a")


def test_a_tensor_without_a_batch_is_a_batch_of_one(tmp_path: Path) -> None:
    save_file({"a": ARRAY[0]}, tmp_path / "a")
    assert Latents.load(tmp_path / "a", space=SD).array.shape == (1, 4, 3, 5)


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        ({"a": ARRAY, "b": ARRAY}, r"2 tensors \(a, b\)"),
        ({"latent": ARRAY, "latents": ARRAY}, "2 tensors"),
        ({}, "0 tensors"),
        ({"a": ARRAY.astype(np.float64)}, "float64"),
        ({"a": ARRAY[:, :3]}, r"\[2, 3, 3, 5\] was given"),
        ({"a": ARRAY[0, 0]}, r"\[3, 5\] was given"),
    ],
)
def test_a_tensor_that_is_no_latent_of_the_space_is_refused(
    tmp_path: Path, tensors: dict[str, NDArray[np.floating]], says: str
) -> None:
    save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, tmp_path / "a")
    with pytest.raises(UsageError, match=says):
        Latents.load(tmp_path / "a", space=SD)


def test_a_dtype_that_numpy_lacks_is_named(tmp_path: Path) -> None:
    header = json.dumps({"latent": {"dtype": "BF16", "shape": [1, 4, 1, 1], "data_offsets": [0, 8]}}).encode()
    (tmp_path / "a").write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    with pytest.raises(UsageError, match="bfloat16"):
        Latents.load(tmp_path / "a", space=SD)


def test_a_space_that_the_file_contradicts_is_refused(tmp_path: Path) -> None:
    Latents(array=ARRAY, space=SD).save(tmp_path / "a")
    assert Latents.load(tmp_path / "a", space=SD).space == SD
    with pytest.raises(UsageError, match='and not of "sdxl"'):
        Latents.load(tmp_path / "a", space=KNOWN_SPACES["sdxl"])


def test_a_refusal_names_the_file_and_the_command_that_moves_it(tmp_path: Path) -> None:
    Latents(array=ARRAY, space=SD).save(tmp_path / "a")
    with pytest.raises(
        LinkError, match=f"latentlink transfer {tmp_path / 'a'} --from BUNDLE --to xl -o OUT"
    ) as refused:
        check_latents(Latents.load(tmp_path / "a"), KNOWN_SPACES["sdxl"], "xl")
    assert 'a bundle of space "sd"' in refused.value.remedy
    half = Latents(array=ARRAY, space=SD, level=(0.6, 0.8))
    with pytest.raises(LinkError, match="cannot be moved: finish them"):
        check_latents(half, KNOWN_SPACES["sdxl"], "xl")


HOSTILE = {
    "level": ('"12"', '{"1": 0, "2": 0}', "[1]", "[1, NaN]", f"[1, {'9' * 400}]", "[" * 50_000),
    "space": (f'{{"name": "sd", "channels": 4, "downscale": 8, "scaling": {"9" * 400}}}', "[" * 50_000, "3", "{"),
}


@pytest.mark.parametrize(("key", "text"), [(key, text) for key, texts in HOSTILE.items() for text in texts])
def test_hostile_metadata_are_refused_in_a_sentence(key: str, text: str, tmp_path: Path) -> None:
    Latents(array=ARRAY, space=SD).save(tmp_path / "a")
    with safe_open(tmp_path / "a", framework="numpy") as file:
        metadata = {**file.metadata(), f"latentlink.{key}": text}
    save_file({"latent": ARRAY}, tmp_path / "a", metadata=metadata)
    with pytest.raises(UsageError):
        Latents.load(tmp_path / "a")
