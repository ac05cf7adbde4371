"""Models of the Hub, from a local cache made by hand, with the network switched off."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from latentlink.errors import CheckpointError
from latentlink.export.checkpoints import Checkpoint, ExportOptions
from latentlink.export.checkpoints.directory.hub import FILES, is_hub_id, snapshot

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PLAIN = ExportOptions()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Path], Path]:
    """Puts directories into an empty cache, as the Hub's client lays it out."""
    root = tmp_path / "hub"
    root.mkdir()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(root))

    def put(hub_id: str, directory: Path) -> Path:
        folder = root / f"models--{hub_id.replace('/', '--')}"
        (folder / "refs").mkdir(parents=True)
        (folder / "refs" / "main").write_text(COMMIT)
        return Path(shutil.copytree(directory, folder / "snapshots" / COMMIT))

    return put


def test_a_cached_model_is_opened_by_its_id_without_a_network(
    tiny: Path, cache: Callable[[str, Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    snapshot = cache("some-org/Tiny_Model", tiny)
    checkpoint = Checkpoint.open("some-org/Tiny_Model", PLAIN)
    assert checkpoint.root == snapshot.resolve()
    assert (checkpoint.name, checkpoint.commit, checkpoint.label) == ("some-org/Tiny_Model", COMMIT, "tiny-model")
    assert checkpoint.classes == Checkpoint.open(tiny, PLAIN).classes


def test_a_cached_vae_alone_is_opened_by_its_id(tiny: Path, cache: Callable[[str, Path], Path]) -> None:
    cache("some-org/vae", tiny / "vae")
    assert Checkpoint.open("some-org/vae", PLAIN).classes == {"vae": "AutoencoderKL"}


def test_a_model_that_is_neither_cached_nor_reachable_is_refused(cache: Callable[[str, Path], Path]) -> None:
    with pytest.raises(CheckpointError, match=r"no path 'some-org/none'.*not in the local cache"):
        Checkpoint.open("some-org/none", PLAIN)


def test_a_model_cached_in_part_says_what_it_lacks(tiny: Path, cache: Callable[[str, Path], Path]) -> None:
    from diffusers import UNet2DConditionModel

    snapshot = cache("some-org/partial", tiny)
    (snapshot / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    checkpoint = Checkpoint.open("some-org/partial", PLAIN)
    with pytest.raises(CheckpointError, match="holds no supported weights"):
        checkpoint.network("unet", UNet2DConditionModel)


def test_a_path_that_exists_is_never_looked_up(
    tiny: Path, cache: Callable[[str, Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache("models/mine", tiny)
    shutil.copytree(tiny, tmp_path / "models" / "mine")
    monkeypatch.chdir(tmp_path)
    checkpoint = Checkpoint.open("models/mine", PLAIN)
    assert checkpoint.root == (tmp_path / "models" / "mine").resolve()
    assert checkpoint.commit is None


@pytest.mark.parametrize("text", ["org/name", "stabilityai/stable-diffusion-2-1", "a/b.c_d"])
def test_an_id_is_an_organisation_and_a_name(text: str) -> None:
    assert is_hub_id(text)


@pytest.mark.parametrize("text", ["name", "/org/name", "./org/name", "../org/name", "a/b/c", "org/", "org name/x", ""])
def test_what_only_a_path_can_be_is_no_id(text: str) -> None:
    assert not is_hub_id(text)


def test_no_pickle_and_no_single_file_is_fetched_with_a_directory() -> None:
    from huggingface_hub.utils._paths import filter_repo_objects

    wanted = [
        "model_index.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "tokenizer/merges.txt",
    ]
    others = ["v1-5-pruned.ckpt", "v1-5-pruned.safetensors", "unet/diffusion_pytorch_model.bin", "vae/x.pt"]
    assert [*filter_repo_objects(wanted + others, allow_patterns=list(FILES))] == wanted


@pytest.mark.parametrize("plain", [True, False])
def test_a_variant_is_fetched_only_where_there_are_no_plain_weights(
    cache: Callable[[str, Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: bool
) -> None:
    from huggingface_hub.utils._paths import filter_repo_objects

    weights = ["unet/diffusion_pytorch_model.fp16.safetensors", "unet/diffusion_pytorch_model.non_ema.safetensors"]
    weights += ["unet/diffusion_pytorch_model.safetensors"] if plain else []
    for name in ["unet/config.json", *weights]:
        (tmp_path / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / name).write_text("{}")
    got = tmp_path / "got"

    def download(hub_id: str, *, allow_patterns: list[str], ignore_patterns: list[str]) -> str:
        """What the Hub's client does with a network, from a directory."""
        names = [path.relative_to(tmp_path / "model").as_posix() for path in (tmp_path / "model").rglob("*.*")]
        for name in filter_repo_objects(names, allow_patterns=allow_patterns, ignore_patterns=ignore_patterns):
            (got / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(tmp_path / "model" / name, got / name)
        return str(got)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    snapshot("some-org/model")
    found = {path.relative_to(got).as_posix() for path in got.rglob("*.safetensors")}
    assert found == ({weights[-1]} if plain else {*weights})
