"""Making a manifest right again after a file was changed, as somebody who means harm would."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from latentlink.spaces import digest

MANIFEST = "manifest.json"


def rehash(bundle: Path) -> None:
    """List every file of a bundle with its size and SHA-256, and none that is not there."""
    path = bundle / MANIFEST
    manifest = json.loads(path.read_bytes())
    files = sorted(file for file in bundle.rglob("*") if file.is_file() and not file.is_symlink() and file != path)
    manifest["files"] = {
        str(file.relative_to(bundle)): {"sha256": sha256(file.read_bytes()).hexdigest(), "size": file.stat().st_size}
        for file in files
    }
    path.write_text(json.dumps(manifest))


def renew_digests(manifest: Any) -> None:
    """Make the digests of fingerprints right again, where the manifest still has the form for it."""
    try:
        for component in manifest["components"].values():
            for engine in component["engines"]:
                facts = {key: fact for key, fact in engine["fingerprint"].items() if key != "digest"}
                engine["fingerprint"]["digest"] = digest(facts)
    except (KeyError, TypeError, AttributeError, ValueError):
        return
