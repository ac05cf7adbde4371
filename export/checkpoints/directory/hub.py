"""A model of the Hugging Face Hub as a local directory, from the cache or downloaded; pickles are never fetched."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from latentlink.errors import CheckpointError

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")

# The parts of a checkpoint, and a network that is published alone. Single files at the top, often several copies of
# the whole model, are not fetched.
FILES = ("*.json", "*.txt", "*.model", "*/*.safetensors", "diffusion_pytorch_model*.safetensors")

# The same weights in another precision, and other weights: fetched only if there are no plain ones.
VARIANTS = ("*.fp16*", "*.bf16*", "*.fp32*", "*.ema*", "*.non_ema*")


def is_hub_id(text: str) -> bool:
    """Whether `text` has the form `org/name` of a model of the Hub."""
    return HUB_ID.fullmatch(text) is not None


def local_or_hub(path: str | Path) -> tuple[Path, str, str | None]:
    """Where a file or directory is, its name, and the commit if it is of the Hub.

    Args:
        path: A path, or an id `org/name` of the Hub where no such path exists. It is not checked that the path exists.

    Raises:
        CheckpointError: It is such an id, and the model is neither cached nor reachable.
    """
    root = Path(path)
    if root.exists() or not is_hub_id(str(path)):
        root = root.resolve()
        return root, root.name, None
    root = snapshot(str(path))
    return root.resolve(), str(path), root.name


def snapshot(hub_id: str) -> Path:
    """The directory of a model's newest commit, or of the cached one when offline.

    Args:
        hub_id: `org/name`.

    Raises:
        CheckpointError: The model is neither cached nor reachable.
    """
    # HTTPError belongs to the HTTP client that the library uses; it is exported, but missing from the type stubs
    from huggingface_hub.errors import HTTPError, LocalEntryNotFoundError  # type: ignore[attr-defined]

    try:
        root = _fetch(hub_id, VARIANTS)
        return _fetch(hub_id, ()) if _lacks_weights(root) else root
    except LocalEntryNotFoundError:
        reason = "it is not in the local cache, and the Hub cannot be reached"
    except HTTPError as error:
        reason = " ".join(str(error).split())[:200].rstrip(".")
    except (OSError, ValueError) as error:
        reason = f"the download failed: {error}"
    raise CheckpointError(
        f"There is no path {hub_id!r}, and no model with that id could be fetched from the Hugging Face Hub: {reason}.",
        remedy=f"Check the name; for a model that needs a login, fetch it first with: hf download {hub_id}",
    )


def _fetch(hub_id: str, without: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import IncompleteSnapshotError

    try:
        return Path(snapshot_download(hub_id, allow_patterns=list(FILES), ignore_patterns=list(without)))
    except IncompleteSnapshotError as partial:
        # offline, and some files of the model were never fetched: what needs one of them will report it
        return Path(partial.snapshot_path)


def _lacks_weights(root: Path) -> bool:
    """Whether a network of a snapshot has a config but no weights."""
    folders = [path.parent for path in (*root.glob("config.json"), *root.glob("*/config.json"))]
    return any(not [*folder.glob("*.safetensors")] for folder in folders)


def cached(hub_ids: Sequence[str]) -> Path | None:
    """Directory of the first of `hub_ids` in the local cache; None if none is there. Nothing is downloaded."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import IncompleteSnapshotError, LocalEntryNotFoundError

    for hub_id in hub_ids:
        try:
            return Path(snapshot_download(hub_id, allow_patterns=list(FILES), local_files_only=True))
        except IncompleteSnapshotError as partial:
            return Path(partial.snapshot_path)
        except LocalEntryNotFoundError:
            continue
    return None
