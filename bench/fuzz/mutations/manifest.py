"""Mutations of a bundle's manifest."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from random import Random

from latentlink.bench.fuzz.mutations.json_values import mutate_json
from latentlink.bench.fuzz.mutations.mutation import Mutation
from latentlink.bench.fuzz.mutations.rehash import MANIFEST, renew_digests


def mutate_manifest(rng: Random, case: Path) -> Mutation:
    """Change one value, one to three times out of four with digests made right again."""
    path = case / MANIFEST
    text, mutation = mutate_json(rng, path.read_bytes())
    if rng.random() < 0.75:
        with suppress(ValueError, RecursionError):
            manifest = json.loads(text)
            renew_digests(manifest)
            if not mutation.what.startswith("text:"):
                text = json.dumps(manifest).encode("utf-8", "surrogatepass")
    path.write_bytes(text)
    return mutation
