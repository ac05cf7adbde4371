"""Mutations of latents files."""

from __future__ import annotations

from pathlib import Path
from random import Random

from latentlink.bench.fuzz.mutations.mutation import Mutation
from latentlink.bench.fuzz.mutations.safetensors_file import mutate_safetensors


def mutate_latents(rng: Random, case: Path) -> Mutation:
    """Change the file of latents."""
    return mutate_safetensors(rng, case / "latents.safetensors")
