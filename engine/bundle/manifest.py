"""The manifest of a bundle as a frozen value: docs/bundle-format.md in types.

Every record checks itself when it is made, so that a `Manifest` is always one that the format allows. An error is a
`BundleError` that names the key, the value received and what was expected.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, Self

from latentlink.engine.bundle.component_entry import ComponentEntry
from latentlink.engine.bundle.engine_entry import EXPORTED
from latentlink.engine.bundle.paths import MAX_PATH, check_distinct, check_path
from latentlink.engine.bundle.record_checks import (
    MAX_LABEL,
    ManifestError,
    check_pattern,
    check_text,
    check_tree,
    each,
    inside,
    list_of,
    record_of,
    sorted_items,
    unexpected,
)
from latentlink.engine.bundle.sampling import Sampling
from latentlink.engine.bundle.tree import FileEntry
from latentlink.spaces import NAME, LatentSpace, TextEmbedding

FORMAT = "latentlink"
VERSION = 1
KINDS = ("bundle", "export")
MAX_MANIFEST_BYTES = 4 << 20
MAX_FILES = 10_000

SHALLOW = "denoiser_shallow"
"""The component that replaces the denoiser on steps that reuse the cached output of its deep layers."""

_COMPONENT = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The content of `manifest.json`. Mappings are sorted by key; lists keep their order.

    Args:
        kind: `bundle` (engines to run) or `export` (ONNX graphs to build engines from).
        name: Short name, for messages and commands.
        family: Model family, for people only.
        spaces: Latent spaces that the digests of latent ports stand for.
        embeddings: Text embeddings that the digests of text ports stand for.
        components: By name: `text_encoder`, `denoiser`, `vae_decoder`, ...
        probes: Path of the probes by component; also of components that are not in this bundle, so that a replacement
            from another bundle can be checked.
        sampling: Training schedule and defaults.
        provenance: Free text by key: tool versions, the checkpoint's name.
        files: By path, every file except the manifest; empty only before the bundle is written.

    Raises:
        BundleError: A value is not what the format allows.
    """

    kind: str
    name: str
    family: str
    spaces: tuple[LatentSpace, ...]
    embeddings: tuple[TextEmbedding, ...]
    components: Mapping[str, ComponentEntry]
    sampling: Sampling
    provenance: Mapping[str, str]
    probes: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, FileEntry] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unexpected("kind", self.kind, f"one of {', '.join(KINDS)}")
        check_pattern("name", self.name, NAME, "lower-case letters and digits joined by single '-', '_' or '.'")
        check_text("family", self.family, MAX_LABEL)
        for key, records in (("spaces", self.spaces), ("embeddings", self.embeddings)):
            object.__setattr__(self, key, tuple(list_of(key, records, limit=64)))
            if len({(record.name, record.digest) for record in records}) != len(records):
                raise ManifestError(key, "received two records of one name and digest, expected one")
        with inside("components"):
            object.__setattr__(self, "components", dict(sorted_items(self.components, 16)))
            for name, component in self.components.items():
                check_pattern("", name, _COMPONENT, "names like vae_decoder")
                with inside(name):
                    self._check_kind(component)
            if not self.components:
                raise ManifestError("", "received no component, expected at least one")
        with inside("probes"):
            object.__setattr__(self, "probes", dict(sorted_items(self.probes, 16)))
            for name, path in self.probes.items():
                check_pattern("", name, _COMPONENT, "names like vae_decoder")
                check_path(name, path)
        with inside("provenance"):
            object.__setattr__(self, "provenance", dict(sorted_items(self.provenance, 64)))
            for key, text in self.provenance.items():
                check_text(key, text)
        with inside("files"):
            object.__setattr__(self, "files", dict(sorted_items(self.files, MAX_FILES, MAX_PATH)))
            for path in self.files:
                check_path("", path)
            check_distinct(self.files)
        self._check_conditions()
        self._check_ranges()
        self._check_multiple()
        if self.files:
            self._check_listed()

    def _check_kind(self, component: ComponentEntry) -> None:
        for number, engine in enumerate(component.engines):
            if self.kind == "export" and engine.target != EXPORTED:
                raise unexpected(f"engines[{number}].target", engine.target, f"{EXPORTED}, as the kind is export")

    def _check_conditions(self) -> None:
        """Refuse default conditions whose names or counts are not those of the condition ports."""
        ports = {
            port.name: port.shape[-1] if port.shape else 0
            for component in self.components.values()
            for port in component.inputs
            if port.kind == "condition"
        }
        defaults = {name: len(numbers) for name, (numbers, _) in self.sampling.conditions.items()}
        if defaults != ports:
            raise unexpected("sampling.conditions", _sizes(defaults), f"those of the condition ports, {_sizes(ports)}")

    def _check_ranges(self) -> None:
        """Refuse latent ranges whose number of channels no latent port has."""
        ports = (port for component in self.components.values() for port in (*component.inputs, *component.outputs))
        with inside("components"):
            channels = {port.size("c") for port in ports if port.kind == "latent"}
        for number, one in enumerate(self.sampling.ranges):
            if len(one.mean) not in channels:
                expected = f"those of the latents, {', '.join(map(str, sorted(channels))) or 'of which there are none'}"
                raise ManifestError(
                    f"sampling.ranges[{number}].mean", f"received {len(one.mean)} channels, expected {expected}"
                )

    def _check_multiple(self) -> None:
        """Refuse a `size_multiple` by which a picture would not be whole elements of the latent."""
        multiple = self.sampling.size_multiple
        for name, component in self.components.items():
            for port in (*component.inputs, *component.outputs):
                if port.kind != "latent":
                    continue
                with inside(f"components.{name}"):
                    downscale = port.size("f")
                if multiple % downscale:
                    raise unexpected(
                        "sampling.size_multiple",
                        multiple,
                        f"a multiple of {downscale}, the downscale of {name}'s latent",
                    )

    def _check_listed(self) -> None:
        """Refuse paths that are not listed in `files`, and a tokenizer that is not the text encoder's own."""
        for name, path in self.probes.items():
            if path not in self.files:
                raise unexpected(f"probes.{name}", path, "a path that is listed in files")
        for name, component in self.components.items():
            with inside(f"components.{name}"):
                for number, engine in enumerate(component.engines):
                    if engine.path not in self.files:
                        raise unexpected(f"engines[{number}].path", engine.path, "a path that is listed in files")
                if component.tokenizer is None:
                    continue
                if component.tokenizer.path not in self.files:
                    raise unexpected("tokenizer.path", component.tokenizer.path, "a path that is listed in files")
                sha256 = self.files[component.tokenizer.path].sha256
                for port in component.inputs:
                    if port.kind == "tokens" and not sha256.startswith(port.digest):
                        raise unexpected(
                            "tokenizer.path",
                            component.tokenizer.path,
                            f"the tokenizer that the engine was exported with: SHA-256 {port.digest}.., "
                            f"not {sha256[:8]}..",
                        )

    def to_json(self) -> dict[str, Any]:
        """The manifest as JSON values; equal manifests give equal JSON, in equal order."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "kind": self.kind,
            "name": self.name,
            "family": self.family,
            "spaces": [_plain(space.to_json()) for space in self.spaces],
            "embeddings": [_plain(embedding.to_json()) for embedding in self.embeddings],
            "components": {name: component.to_json() for name, component in self.components.items()},
            "probes": dict(self.probes),
            "sampling": self.sampling.to_json(),
            "provenance": dict(self.provenance),
            "files": {path: entry.to_json() for path, entry in self.files.items()},
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read the JSON values of a whole manifest.

        Raises:
            BundleError: It breaks a rule of docs/bundle-format.md; the message names the key.
        """
        check_tree(value)
        _check_version(value)
        keys = (
            "format", "version", "kind", "name", "family", "spaces", "embeddings", "components", "probes",
            "sampling", "provenance", "files",
        )  # fmt: skip
        record = record_of(value, keys)
        components, files = {}, {}
        with inside("components"):
            for name, item in sorted_items(record["components"], 16):
                with inside(name):
                    components[name] = ComponentEntry.from_json(item)
        with inside("sampling"):
            sampling = Sampling.from_json(record["sampling"])
        with inside("files"):
            for path, item in sorted_items(record["files"], MAX_FILES, MAX_PATH):
                check_path("", path)
                with inside(path):
                    files[path] = FileEntry.from_json(item)
            if not files:
                raise ManifestError("", "received no file, expected every file of the bundle")
        return cls(
            kind=record["kind"],
            name=record["name"],
            family=record["family"],
            spaces=each("spaces", record["spaces"], LatentSpace.from_json),
            embeddings=each("embeddings", record["embeddings"], TextEmbedding.from_json),
            components=components,
            probes=record["probes"],
            sampling=sampling,
            provenance=record["provenance"],
            files=files,
        )

    def to_bytes(self) -> bytes:
        """The content of `manifest.json`: UTF-8, indented, the same bytes for equal manifests."""
        return (json.dumps(self.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read the content of `manifest.json`.

        Raises:
            BundleError: It is no UTF-8 JSON, names a key twice, is larger than 4 MiB, or breaks another rule.
        """
        if len(data) > MAX_MANIFEST_BYTES:
            raise ManifestError("", f"received {len(data)} bytes, expected at most {MAX_MANIFEST_BYTES}")
        try:
            value = json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_refuse_constant)
        except ValueError as error:
            raise ManifestError("", f"received text that is no UTF-8 JSON ({error}), expected an object") from None
        except RecursionError:
            raise ManifestError("", "received values nested without end, expected flat records") from None
        return cls.from_json(value)


def _sizes(conditions: Mapping[str, object]) -> str:
    return ", ".join(f"{name} [{size}]" for name, size in sorted(conditions.items())) or "none"


def _check_version(value: object) -> None:
    """Checked before all other keys, so that a newer bundle is reported as newer and not as damaged."""
    if not isinstance(value, Mapping) or value.get("format") != FORMAT:
        raise ManifestError("", f"received no key format with {FORMAT!r}, expected the manifest of a bundle")
    version = value.get("version")
    if type(version) is not int or version != VERSION:
        raise unexpected("version", version, f"{VERSION}, the only version that this latentlink reads")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that occurs twice: parsers differ in which of the two they take."""
    record: dict[str, Any] = {}
    for key, value in pairs:
        if key in record:
            raise unexpected("", key, "every key once, but it is there twice")
        record[key] = value
    return record


def _refuse_constant(text: str) -> NoReturn:
    raise ManifestError("", f"received {text}, expected finite numbers")


def _plain(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in record.items()}
