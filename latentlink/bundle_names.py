"""Names of bundles: a path, or the name of one that comes with the package; and what a path is that is no bundle."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path

from latentlink.checks import path_of
from latentlink.errors import UsageError

SHIPPED: Mapping[str, str] = dict.fromkeys(("demo", "demo-b", "demo-tiny"), "latentlink.demo")
"""Names of the bundles that come with the package, each with the package whose `bundles` folder holds it; of
that package only files are read."""

MANIFEST = "manifest.json"
"""The file that makes a folder a bundle or an export."""

MAKE_ONE = "Make one: latentlink export CHECKPOINT EXPORTED, then latentlink build EXPORTED BUNDLE."
EXPORT_IT = "Export it: latentlink export {0} EXPORTED, then latentlink build EXPORTED BUNDLE."

FILES: Mapping[str, tuple[str, str]] = {
    ".onnx .plan .xml": ("the file of an engine", "latentlink inspect {0} shows it; a bundle is the folder of all."),
    ".png .jpg .jpeg .webp .bmp .gif .tif .tiff": (
        "a picture",
        "A run starts from it with: latentlink generate BUNDLE PROMPT --init-image {0}.",
    ),
    ".zip .tar .tgz .gz .xz .zst .7z": ("an archive", "Unpack it first, and name the folder."),
    ".safetensors": ("a file of weights", EXPORT_IT),
    ".ckpt .pt .pth .bin .gguf": ("a file of weights in a form that is not read", "Get the model as .safetensors."),
}
"""By endings: what a file is, and what takes it."""

MOST_NEIGHBOURS = 1000
"""Folders to look through for a name that was meant."""


def bundle_path(name: str | Path, argument: str = "bundle") -> Path:
    """The directory of a bundle.

    Text that is one of the `SHIPPED` names is the bundle of that name that comes with the package. All else is a path:
    `./demo` and `Path("demo")` are the folder.

    Args:
        name: The name or path.
        argument: What to call it in messages.

    Raises:
        UsageError: It is neither, or it is the name of both a shipped bundle and another one in the working directory.
    """
    path = path_of(argument, name)
    if not isinstance(name, str) or name not in SHIPPED:
        return path
    from importlib import resources

    shipped = Path(str(resources.files(SHIPPED[name]))) / "bundles" / name
    if holds_manifest(name) and not path.samefile(shipped):
        raise UsageError(
            f"{name!r} names a bundle that comes with latentlink, and also one in the working directory; expected a "
            "name of one bundle.",
            remedy=f"Write ./{name} for the one in the working directory; rename that to use the other here.",
        )
    return shipped


def new_bundle_path(name: str | Path, argument: str = "out") -> Path:
    """The directory of a bundle or export that is to be made; the `SHIPPED` names are taken.

    Args:
        name: The path.
        argument: What to call it in messages.

    Raises:
        UsageError: It is no path, or text that is one of these names.
    """
    path = path_of(argument, name)
    if isinstance(name, str) and name in SHIPPED:
        raise UsageError(
            f"{name!r} is the name of a bundle that comes with latentlink; expected another name for a new one.",
            remedy=f"For a folder of this name all the same, write ./{name}, also where it is used.",
        )
    return path


def holds_manifest(name: str | Path) -> bool:
    """Whether a path is the folder of a bundle or export; False for what is no possible path."""
    return name != "" and os.path.isfile(os.path.join(name, MANIFEST))  # noqa: PTH113, PTH118 - pathlib raises for impossible paths


def names_bundle(text: str) -> bool:
    """Whether text that a user wrote names a bundle or export."""
    return text in SHIPPED or holds_manifest(text)


def no_bundle(path: Path) -> UsageError:
    """The error for a path that is not the folder of a bundle or export: what it is, and what takes it."""
    found, remedy = _kind_of_folder(path) if path.is_dir() else _kind_of_file(path)
    return UsageError(f"{str(path)!r} {found}; expected the folder of a bundle or export.", remedy=remedy)


def _kind_of_file(path: Path) -> tuple[str, str]:
    """What a path is that is no folder, and a remedy."""
    if not path.exists():
        if path.name in SHIPPED:
            return "does not exist", f"The bundle of the package is named as text, without a folder: {path.name}."
        near = get_close_matches(path.name, [*SHIPPED, *_bundles_in(path.parent)], 1)
        return "does not exist", f"Did you mean {near[0]!r}?" if near else MAKE_ONE
    if not path.is_file():
        return "is a device, pipe or socket", MAKE_ONE
    if path.name == MANIFEST:
        return "is the manifest of a bundle", f"Name its folder: {str(path.parent)!r}."
    if path.suffix == ".safetensors" and _holds_latents(path):
        return (
            "is a file of latents",
            f"A run starts from them with: latentlink generate BUNDLE PROMPT --init-latents {path}.",
        )
    for endings, (kind, remedy) in FILES.items():
        if path.suffix.lower() in endings.split():
            return f"is {kind}", remedy.format(path)
    return "is a file", MAKE_ONE


def _kind_of_folder(path: Path) -> tuple[str, str]:
    """What a folder without a manifest is, and a remedy."""
    if (path / "model_index.json").is_file() or any(path.glob("diffusion_pytorch_model*.safetensors")):
        return "is a checkpoint", EXPORT_IT.format(path)
    for parent in path.absolute().parents:
        if holds_manifest(parent):
            return f"is a folder inside of {str(parent)!r}", "Name that one."
    inside = _bundles_in(path)
    if inside:
        listed = ", ".join(sorted(inside)[:4]) + (", ..." if len(inside) > 4 else "")
        return f"holds no {MANIFEST}, but the folders {listed} do", f"Name one of them: {path / sorted(inside)[0]}."
    return f"is a folder without {MANIFEST}", MAKE_ONE


def _bundles_in(folder: Path) -> list[str]:
    """Names of the bundles and exports in a folder."""
    found: list[str] = []
    with suppress(OSError, ValueError), os.scandir(folder) as entries:
        for _, entry in zip(range(MOST_NEIGHBOURS), entries, strict=False):
            if holds_manifest(entry.path):
                found.append(entry.name)
    return found


def _holds_latents(path: Path) -> bool:
    """Whether a safetensors file has this program's metadata, which stand at its beginning."""
    with suppress(OSError), path.open("rb") as file:
        return b'"latentlink.symbol"' in file.read(4096)
    return False
