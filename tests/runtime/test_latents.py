"""Latents as files: what was written is read back, and what was edited is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from latentlink.errors import UsageError
from latentlink.runtime import Latents
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
