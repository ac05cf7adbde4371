"""Mutations of a bundle's probes."""

from __future__ import annotations

from pathlib import Path
from random import Random

from latentlink.bench.fuzz.mutations.mutation import Mutation
from latentlink.bench.fuzz.mutations.rehash import rehash
from latentlink.bench.fuzz.mutations.safetensors_file import mutate_safetensors


def mutate_probes(rng: Random, case: Path) -> Mutation:
    """Change the probes of one component."""
    path = rng.choice(sorted((case / "probes").iterdir()))
    mutation = mutate_safetensors(rng, path)
    rehash(case)
    return Mutation(what=f"{path.stem}, {mutation.what}", detail=mutation.detail)
