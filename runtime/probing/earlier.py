"""Earlier proofs: what engines showed on their probes, kept in the user's cache so that they need not run again.

A proof is filed under everything that it depends on: the SHA-256 of the manifests, which stands for all files of the
bundles because `load` hashes them every time, and this version, its packages, the processor, the GPU and its driver.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from latentlink import __version__
from latentlink.engine.bundle import Bundle, EngineEntry
from latentlink.engine.targets import this_machine
from latentlink.errors import UsageError
from latentlink.files import atomic_file
from latentlink.runtime.linking import Admission, Proof
from latentlink.user_cache import user_cache

SCHEME = 1
"""Increased when proofs come to mean something else: earlier ones no longer count."""

MAX_BYTES = 1 << 16
"""Largest file of a proof."""

P = TypeVar("P", Proof, Admission)


class EarlierProofs:
    """The proofs of this machine. A cache that cannot be read or written holds none, and that is no error."""

    def __init__(self) -> None:
        self._circumstances = [SCHEME, __version__, asdict(this_machine())]

    def find(self, kind: type[P], subject: Sequence[str]) -> P | None:
        """The proof of a subject; None if there is none.

        Args:
            kind: Type of the proof.
            subject: What was proved: hashes of manifests, a component, a path.
        """
        with suppress(OSError, UsageError, ValueError, TypeError, RecursionError):
            file = self._file(kind, subject)
            if file.is_file() and file.stat().st_size <= MAX_BYTES:  # no pipe or device, which would not end
                return kind(**json.loads(file.read_bytes()))
        return None

    def keep(self, proof: Proof | Admission, subject: Sequence[str]) -> None:
        """Keep a proof. Of two processes that keep the same one, the last writes it again.

        Args:
            proof: The proof.
            subject: As in `find`.
        """
        with suppress(OSError, UsageError), atomic_file(self._file(type(proof), subject)) as part:
            part.write_text(json.dumps(asdict(proof)), encoding="utf-8")

    @staticmethod
    def subject(bundles: Sequence[Bundle], component: str, engine: EngineEntry) -> Sequence[str] | None:
        """What a proof of an engine on the probes of bundles is filed under; None if their files were not hashed."""
        hashes = [bundle.sha256 for bundle in bundles if bundle.sha256 is not None]
        return [*hashes, component, engine.target, engine.path] if len(hashes) == len(bundles) else None

    def _file(self, kind: type, subject: Sequence[str]) -> Path:
        about = json.dumps([kind.__name__, *subject, *self._circumstances], sort_keys=True, default=sorted)
        return user_cache() / "proofs" / f"{hashlib.sha256(about.encode()).hexdigest()}.json"
