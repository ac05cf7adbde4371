"""Bundles on disk: open, check and write them. docs/bundle-format.md is the specification."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, TypeVar

from latentlink.bundle_names import MANIFEST, no_bundle
from latentlink.checks import callback, path_of, truth
from latentlink.engine.bundle.manifest import FORMAT, MAX_MANIFEST_BYTES, Manifest
from latentlink.engine.bundle.onnx_locations import external_locations
from latentlink.engine.bundle.record_checks import REMEDY
from latentlink.engine.bundle.tree import (
    FileEntry,
    OnProgress,
    Tree,
    check_regular,
    hash_files,
    open_regular,
    read_tree,
    wrong_size,
)
from latentlink.errors import BundleError, UsageError
from latentlink.files import atomic_file, replacing_directory
from latentlink.ports import Port, latent_port, text_port
from latentlink.spaces import LatentSpace, TextEmbedding

_Record = TypeVar("_Record", LatentSpace, TextEmbedding)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle or export, checked when it was opened.

    Args:
        root: Its directory.
        manifest: Its manifest.
        sha256: SHA-256 of `manifest.json` as it was read, which stands for all files of the bundle; None if the files
            were not compared with the hashes in it.
    """

    root: Path
    manifest: Manifest
    sha256: str | None = None

    @classmethod
    def open(cls, path: str | Path, *, check_files: bool = True, on_progress: OnProgress | None = None) -> Self:
        """Open a bundle, and check all of it before anything else reads it.

        Args:
            path: The directory.
            check_files: Compare the SHA-256 of every file. If not, the manifest, the set of files, their kinds and
                sizes, and the paths inside ONNX files are still checked.
            on_progress: Called with (bytes hashed, bytes in all).

        Raises:
            UsageError: There is no such directory, or it has no `manifest.json`.
            BundleError: The manifest breaks the format; a file is missing, not listed, no regular file, or has other
                content than the manifest says; an ONNX file names weights that are no listed file beside it.
            OSError: A file cannot be read.
        """
        root = path_of("path", path)
        truth("check_files", check_files)
        callback("on_progress", on_progress)
        manifest, sha256 = _read_manifest(root)
        tree = read_tree(root)
        _check_tree(root, tree, manifest)
        _check_locations(root, manifest.files)
        if check_files:

            def check(file: str, sha256: str) -> None:
                if sha256 != manifest.files[file].sha256:
                    raise BundleError(
                        f"{str(root / file)!r} has SHA-256 {sha256}; expected {manifest.files[file].sha256}, "
                        "as the manifest says.",
                        remedy=REMEDY,
                    )

            sizes = {file: entry.size for file, entry in manifest.files.items()}
            hash_files(root, sizes, on_progress=on_progress, check=check)
        return cls(root=root, manifest=manifest, sha256=sha256 if check_files else None)

    def file(self, path: str) -> Path:
        """The path of a listed file.

        Raises:
            BundleError: The manifest does not list it, or it is no longer a regular file.
        """
        if path not in self.manifest.files:
            raise BundleError(f"{str(self.root)!r} lists no file {path!r} in its manifest.", remedy=REMEDY)
        return check_regular(self.root, path)

    def space(self, digest: str) -> LatentSpace | None:
        """The record with this digest; None if there is none, or more than one."""
        return _only(space for space in self.manifest.spaces if space.digest == digest)

    def embedding(self, digest: str) -> TextEmbedding | None:
        """The record with this digest; None if there is none, or more than one."""
        return _only(embedding for embedding in self.manifest.embeddings if embedding.digest == digest)

    def describe(self, port: Port) -> LatentSpace | TextEmbedding | None:
        """The record that a port's symbol was made from; None if no record gives that symbol.

        Unlike a look-up by digest, it also compares the name and the sizes in the symbol.
        """
        if port.kind == "latent":
            return _only(s for s in self.manifest.spaces if latent_port(s, port.dtype).symbol == port.symbol)
        if port.kind == "text":
            return _only(e for e in self.manifest.embeddings if text_port(e, port.dtype).symbol == port.symbol)
        return None


def write_bundle(folder: Path, manifest: Manifest) -> Manifest:
    """Turn a directory with engines and tokenizers into a bundle: hash every file, then write `manifest.json`.

    Args:
        folder: The directory, usually that of `replacing_bundle`.
        manifest: The manifest; its `files` are replaced.

    Returns:
        The written manifest.

    Raises:
        BundleError: The directory holds something that a reader would refuse.
        OSError: A file cannot be read or written.
    """
    tree = read_tree(folder)
    sizes = {path: size for path, size in tree.sizes.items() if path != MANIFEST}
    hashes = hash_files(folder, sizes)
    files = {path: FileEntry(sha256=hashes[path], size=size) for path, size in sizes.items()}
    data = replace(manifest, files=files).to_bytes()
    whole = Manifest.from_bytes(data)
    _check_tree(folder, tree, whole)
    _check_locations(folder, whole.files)
    with atomic_file(folder / MANIFEST) as part:
        part.write_bytes(data)
    return whole


def rewrite_manifest(root: Path, change: Callable[[Manifest], Manifest]) -> Manifest:
    """Replace the manifest of a bundle or export atomically; its files are not changed.

    The temporary file is beside the directory, as the directory may hold listed files only.

    Args:
        root: The directory.
        change: Makes the new manifest from the present one; `files` stays the same.

    Returns:
        The written manifest.

    Raises:
        UsageError: There is no such directory, or it has no `manifest.json`.
        BundleError: The manifest breaks the format, before or after.
        OSError: A file cannot be read or written.
    """
    before, _ = _read_manifest(root)
    data = replace(change(before), files=before.files).to_bytes()
    after = Manifest.from_bytes(data)
    with atomic_file(root / MANIFEST, beside=root) as part:
        part.write_bytes(data)
    return after


def is_bundle(path: Path) -> bool:
    """Whether a directory may be replaced by a bundle: it is empty, or a bundle or export (intact or damaged, of any
    version) without files that its manifest does not list.

    Raises:
        OSError: It cannot be read.
    """
    if path.is_symlink() or not path.is_dir():
        return False
    try:
        tree = read_tree(path)
        if not tree.sizes:
            return not tree.folders
        with open_regular(path / MANIFEST) as file:
            record = json.loads(file.read(MAX_MANIFEST_BYTES))
    except (BundleError, ValueError, RecursionError, FileNotFoundError):
        return False
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        return False
    files = record.get("files")
    return isinstance(files, dict) and tree.sizes.keys() <= files.keys() | {MANIFEST}


@contextmanager
def replacing_bundle(out: str | Path) -> Iterator[Path]:
    """A fresh folder that becomes the bundle or export `out` when the block ends, as in `replacing_directory`.

    Raises:
        UsageError: `out` holds something else, or lies in a bundle or export.
    """
    check_outside(Path(out))
    with replacing_directory(Path(out), is_ours=is_bundle) as folder:
        yield folder


def check_outside(out: Path) -> None:
    """Check that a new file or folder does not lie in a bundle or export, which holds only the files it lists.

    Raises:
        UsageError: It does.
    """
    for folder in Path(os.path.realpath(out)).parents:
        try:
            with open_regular(folder / MANIFEST) as file:
                record = json.loads(file.read(MAX_MANIFEST_BYTES))
        except (OSError, BundleError, ValueError, RecursionError):
            continue
        if isinstance(record, dict) and record.get("format") == FORMAT:
            raise UsageError(
                f"{str(out)!r} is inside the {record.get('kind', 'bundle')} {str(folder)!r}, which holds only its own "
                "files.",
                remedy="Write it to another folder.",
            )


def _read_manifest(root: Path) -> tuple[Manifest, str]:
    """The manifest, and the SHA-256 of its bytes."""
    path = root / MANIFEST
    if not root.is_dir() or not os.path.lexists(path):
        raise no_bundle(root)
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_MANIFEST_BYTES:
            raise BundleError(f"{str(path)!r} has {size} bytes; expected at most {MAX_MANIFEST_BYTES}.", remedy=REMEDY)
        data = file.read(MAX_MANIFEST_BYTES + 1)
    try:
        return Manifest.from_bytes(data), hashlib.sha256(data).hexdigest()
    except BundleError as error:
        raise BundleError(f"{str(root)!r}: {error.message}", remedy=error.remedy) from None


def _check_tree(root: Path, tree: Tree, manifest: Manifest) -> None:
    """Check that exactly the listed files exist."""
    for path, entry in manifest.files.items():
        if path not in tree.sizes:
            raise BundleError(f"{str(root / path)!r} is missing; the manifest lists it.", remedy=REMEDY)
        if tree.sizes[path] != entry.size:
            raise wrong_size(root / path, tree.sizes[path], entry.size)
    parents = {str(parent) for path in manifest.files for parent in Path(path).parents}
    for path in (*tree.sizes, *tree.folders):
        if path not in manifest.files and path != MANIFEST and path not in parents:
            raise BundleError(
                f"{str(root / path)!r} is not listed in the manifest; expected nothing beside the listed files.",
                remedy="Remove it if you put it there; otherwise get the bundle again.",
            )


def _check_locations(root: Path, files: Iterable[str]) -> None:
    """Check that ONNX files refer only to listed files beside them: ONNX Runtime would open any path."""
    listed = set(files)
    for path in sorted(file for file in listed if file.lower().endswith(".onnx")):
        folder = path.rpartition("/")[0]
        for raw in external_locations(check_regular(root, path)):
            location = raw.decode("utf-8", "replace")
            if "/" in location or f"{folder}/{location}".lstrip("/") not in listed:
                raise BundleError(
                    f"{str(root / path)!r} keeps weights or an engine in {location[:200]!r}; expected a listed file "
                    "in its own folder.",
                    remedy=REMEDY,
                )


def _only(records: Iterable[_Record]) -> _Record | None:
    found = list(records)
    return found[0] if len(found) == 1 else None
