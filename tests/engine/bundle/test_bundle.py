"""Bundles: a written one opens, shows progress, finds its records; what is no bundle is a usage error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from latentlink.engine.bundle import Bundle, LatentRange, Manifest, is_bundle, rewrite_manifest, write_bundle
from latentlink.errors import BundleError, UsageError
from latentlink.ports import image_port, latent_port, text_port
from latentlink.spaces import KNOWN_SPACES, LatentSpace, TextEmbedding

if TYPE_CHECKING:
    from tests.engine.conftest import SmallBundle


def test_a_written_bundle_opens_with_the_manifest_that_was_written(small: SmallBundle) -> None:
    opened = Bundle.open(small.root)
    assert opened.manifest == small.manifest
    assert len(opened.manifest.files) == 5


def test_writing_the_same_files_twice_gives_the_same_manifest_byte_for_byte(
    filled: Path, small_manifest: Manifest
) -> None:
    write_bundle(filled, small_manifest)
    first = (filled / "manifest.json").read_bytes()
    write_bundle(filled, small_manifest)
    assert (filled / "manifest.json").read_bytes() == first


def test_a_rewritten_manifest_keeps_the_files_and_leaves_nothing_beside_it(small: SmallBundle) -> None:
    one = LatentRange(level=0.0, mean=((-1, 1),) * 4, std=((0, 1),) * 4, rms=(0, 1))

    def change(manifest: Manifest) -> Manifest:
        return replace(manifest, sampling=replace(manifest.sampling, ranges=(one,)), files={})

    written = rewrite_manifest(small.root, change)
    opened = Bundle.open(small.root)
    assert opened.manifest == written
    assert opened.manifest == replace(small.manifest, sampling=replace(small.manifest.sampling, ranges=(one,)))
    assert [path.name for path in small.root.parent.iterdir()] == [small.root.name]


def test_a_manifest_that_would_break_the_format_is_not_written(small: SmallBundle) -> None:
    before = (small.root / "manifest.json").read_bytes()
    one = LatentRange(level=0.0, mean=((-1, 1),), std=((0, 1),), rms=(0, 1))
    with pytest.raises(BundleError, match="1 channels"):
        rewrite_manifest(small.root, lambda m: replace(m, sampling=replace(m.sampling, ranges=(one,))))
    assert (small.root / "manifest.json").read_bytes() == before


def test_progress_ends_at_all_bytes_and_never_goes_back(small: SmallBundle) -> None:
    seen: list[tuple[int, int]] = []
    Bundle.open(small.root, on_progress=lambda done, total: seen.append((done, total)))
    total = sum(entry.size for entry in small.manifest.files.values())
    assert seen[-1] == (total, total)
    assert seen == sorted(seen)


def test_progress_that_raises_ends_the_check(small: SmallBundle) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Bundle.open(small.root, on_progress=stop)


def test_a_link_to_a_bundle_opens_as_the_bundle(small: SmallBundle, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(small.root)
    assert Bundle.open(tmp_path / "current").manifest == small.manifest


def test_a_listed_file_is_found_and_another_one_is_not(small: SmallBundle) -> None:
    opened = Bundle.open(small.root)
    path = opened.manifest.components["denoiser"].engines[0].path
    assert opened.file(path) == small.root / path
    for other in ("manifest.json", "../small/" + path, "/etc/passwd", path.upper()):
        with pytest.raises(BundleError, match="lists no file"):
            opened.file(other)


def test_a_listed_file_that_becomes_a_link_after_opening_is_not_given_out(small: SmallBundle) -> None:
    opened = Bundle.open(small.root)
    path = opened.manifest.components["denoiser"].engines[0].path
    (small.root / "engines").rename(small.root / "moved")
    (small.root / "engines").symlink_to("moved")
    with pytest.raises(BundleError, match="symbolic link"):
        opened.file(path)


def test_records_are_found_by_digest_and_by_port(small: SmallBundle) -> None:
    opened = Bundle.open(small.root)
    space, embedding = KNOWN_SPACES["sd"], TextEmbedding(name="clip-l", width=768)
    assert opened.space(space.digest) == space
    assert opened.embedding(embedding.digest) == embedding
    assert opened.describe(latent_port(space, "float16").at("x")) == space
    assert opened.describe(text_port(embedding)) == embedding
    assert opened.describe(image_port()) is None
    assert opened.space(KNOWN_SPACES["sdxl"].digest) is None


def test_a_record_whose_numbers_were_edited_is_not_found_by_the_engines_symbol(small: SmallBundle) -> None:
    port = small.manifest.components["denoiser"].outputs[0]
    small.edit(lambda record: record["spaces"][0].update(scaling=0.13025))
    opened = Bundle.open(small.root)
    assert opened.space(port.digest) is None
    assert opened.describe(port) is None


@pytest.mark.parametrize("change", [{"name": "sdxl"}, {"channels": 16}, {"downscale": 16}], ids=str)
def test_a_record_whose_name_or_sizes_were_edited_does_not_describe_the_engines_port(
    change: dict[str, object], small: SmallBundle
) -> None:
    port = small.manifest.components["denoiser"].outputs[0]
    small.edit(lambda record: record["spaces"][0].update(change))
    assert Bundle.open(small.root).describe(port) is None


def test_two_records_of_one_digest_are_told_apart_by_the_port_alone(filled: Path, small_manifest: Manifest) -> None:
    one, other = TextEmbedding(name="clip-l", width=768), TextEmbedding(name="clip-g", width=1280)
    write_bundle(filled, replace(small_manifest, embeddings=(one, other)))
    opened = Bundle.open(filled)
    assert one.digest == other.digest
    assert opened.embedding(one.digest) is None
    assert opened.describe(text_port(other)) == other


@pytest.mark.parametrize("what", ["nothing", "a file", "an empty folder", "a folder of other files"])
def test_what_is_no_bundle_is_a_usage_error_that_names_it(what: str, tmp_path: Path) -> None:
    path = tmp_path / "given"
    if what == "a file":
        path.write_text("hello")
    elif what != "nothing":
        path.mkdir()
        if what == "a folder of other files":
            (path / "model_index.json").write_text("{}")
    with pytest.raises(UsageError) as caught:
        Bundle.open(path)
    assert str(path) in caught.value.message
    assert "latentlink build" in caught.value.remedy


def test_a_folder_that_no_reader_would_accept_is_not_written(filled: Path, small_manifest: Manifest) -> None:
    (filled / "note to self.txt").write_text("remember")
    with pytest.raises(BundleError, match="note to self"):
        write_bundle(filled, small_manifest)
    assert not (filled / "manifest.json").exists()


def test_a_manifest_whose_engine_was_not_made_is_not_written(filled: Path, small_manifest: Manifest) -> None:
    (filled / "engines/vae_decoder/ort-cpu/model.onnx").unlink()
    with pytest.raises(BundleError, match=r"vae_decoder\.engines\[0\]\.path"):
        write_bundle(filled, small_manifest)
    assert not (filled / "manifest.json").exists()


def test_an_empty_folder_and_a_bundle_may_be_replaced(small: SmallBundle, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert is_bundle(tmp_path / "empty")
    assert is_bundle(small.root)


def test_a_damaged_bundle_may_be_replaced(small: SmallBundle) -> None:
    (small.root / "engines/denoiser/ort-cpu/model.onnx").unlink()
    small.edit(lambda record: record.update(version=99, components=None))
    assert is_bundle(small.root)


def test_a_bundle_in_which_the_user_keeps_a_picture_may_not_be_replaced(small: SmallBundle) -> None:
    (small.root / "best.png").write_bytes(b"picture")
    assert not is_bundle(small.root)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "extension"}', "[" * 100_000, '{"format": "latentlink"}'])
def test_a_folder_with_another_programs_manifest_may_not_be_replaced(text: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(text)
    assert not is_bundle(tmp_path)


def test_a_file_and_a_link_and_nothing_may_not_be_replaced(small: SmallBundle, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("hello")
    (tmp_path / "link").symlink_to(small.root)
    assert not any(is_bundle(tmp_path / name) for name in ("file", "link", "nothing"))


def test_a_space_without_a_record_stays_unknown(small: SmallBundle) -> None:
    small.edit(lambda record: record.update(spaces=[]))
    port = latent_port(LatentSpace(name="sd", channels=4, downscale=8, scaling=0.18215))
    assert Bundle.open(small.root).describe(port) is None
