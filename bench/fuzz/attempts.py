"""What is done with a case: as a program does it, by the API, and as a user does, by the command line."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import latentlink
from latentlink.bench.fuzz.material import CHECKPOINT, PROMPT, SEED, SPACE
from latentlink.engine.bundle.sampling import MAX_PIXELS
from latentlink.errors import UsageError

Pictures = list[NDArray[np.uint8]]

LONG = "a (large:1.3) red circle [on] a blue background, " * 40

MOST_SIDE = 1024
"""Largest side of pictures to encode whole: the memory for larger ones is what the caller asked for."""

SETTINGS: Mapping[str, Any] = {
    "seed": SEED,
    "steps": 3,
    "guidance": 5.0,
    "sampler": "euler",
    "spacing": "leading",
    "width": 64,
    "height": 64,
    "step_cache": 1,
    "negative_prompt": "",
}
"""Everything that a manifest has a default for, so that no change of one changes the picture."""


def draw(case: Path) -> Pictures:
    """Draw with a bundle, from noise and from a picture, and read a long prompt."""
    with latentlink.load(case, verify=True, threads=1) as pipe:
        made = pipe.generate(PROMPT, **SETTINGS).images
        made += pipe.generate(PROMPT, init_image=made[0], strength=0.7, **SETTINGS).images
        pipe.generate(LONG, **{**SETTINGS, "steps": 1}, decode=False)
    return [np.asarray(picture) for picture in made]


def decode(case: Path) -> Pictures:
    """Put a bundle's VAE in the place of demo's, decode with it and encode."""
    latents = _demo().generate(PROMPT, **SETTINGS, decode=False).latents
    halves = dict.fromkeys(("vae_decoder", "vae_encoder"), case)
    with latentlink.load("demo", replace=halves, verify=True, threads=1) as pipe:
        made = pipe.decode(latents)
        made += pipe.decode(pipe.encode(made))
    return [np.asarray(picture) for picture in made]


def start_from_latents(case: Path) -> Pictures:
    """Decode a file of latents, and draw on from it."""
    pipe = _demo()
    latents = latentlink.Latents.load(case / "latents.safetensors")
    if latents.half_way:
        pipe.generate(PROMPT, init_latents=latents, seed=SEED, steps=10, denoising_start=0.5)
    else:
        pipe.decode(latents)
        pipe.generate(PROMPT, init_latents=latents, strength=0.5, **_without_size())
    return []


def start_from_picture(case: Path) -> Pictures:
    """Draw on from a picture file, and encode it."""
    from PIL import Image

    try:
        picture = Image.open(case / "picture")
    except Exception as error:  # opening a file is the caller's own call of Pillow
        raise UsageError(f"Pillow does not open it: {error}") from None
    with picture:
        pipe = _demo()
        pipe.generate(PROMPT, init_image=picture, mask_image=picture, strength=0.7, **SETTINGS)
        if max(picture.size) <= MOST_SIDE:
            pipe.encode(picture)
    return []


def read_record(case: Path) -> Pictures:
    """Read the options that make a picture again; a run with them is what the caller asked for."""
    latentlink.picture_options(case / "made.png")
    return []


def read_checkpoint(case: Path) -> Pictures:
    """Read a checkpoint and make all of its networks, as far as an export goes before it traces them."""
    from latentlink.export.checkpoints import Checkpoint, ExportOptions
    from latentlink.export.exporter import read_sampling
    from latentlink.export.recipes import find_recipe

    path, space = _checkpoint(case)
    options = ExportOptions(space=space)
    source = Checkpoint.open(path, options)
    _, recipe = find_recipe(source, "auto")
    recipe.check(source, options)
    read_sampling(recipe.sampling(source))
    recipe.notes(source)
    for _ in recipe.components(source, options):
        pass
    return []


def read_single_file(case: Path) -> Pictures:
    """Read a single file and make its networks; what else an export needs, a tokenizer, is not in it."""
    import diffusers
    import transformers

    from latentlink.export.checkpoints import Checkpoint, ExportOptions
    from latentlink.export.recipes import find_recipe

    path, space = _checkpoint(case)
    options = ExportOptions(space=space)
    source = Checkpoint.open(path, options)
    _, recipe = find_recipe(source, "auto")
    recipe.check(source, options)
    recipe.sampling(source)
    if source.classes.keys() == {"vae"}:
        for _ in recipe.components(source, options):
            pass
        return []
    for part, name in source.classes.items():
        if "Tokenizer" not in name and "Scheduler" not in name:
            source.network(part, getattr(diffusers, name, None) or getattr(transformers, name))
    return []


def _checkpoint(case: Path) -> tuple[Path, str | None]:
    """The checkpoint of a case, and the space to name."""
    space = case / SPACE
    return next(case.glob(f"{CHECKPOINT}*")), space.read_text() if space.exists() else None


def bundle_command(case: Path, number: int) -> list[str]:
    """Draw with it, verify it or look at it, in turn."""
    picture = ["--steps=3", "--guidance=5", "--sampler=euler", "--spacing=leading", "--width=64", "--height=64"]
    picture += ["--step-cache=1", "--negative-prompt=", f"--seed={SEED}", "--threads=1", "--verify"]
    return [
        ["generate", str(case), PROMPT, "-o", "out.png", *picture],
        ["verify", str(case), "--threads=1"],
        ["inspect", str(case)],
        ["inspect", str(case), "--json"],
    ][number % 4]


def decoder_command(case: Path, number: int) -> list[str]:
    """Verify a VAE against demo, or look at it, in turn."""
    return [["verify", "demo", "--vae-decoder", str(case)], ["inspect", str(case)], ["verify", str(case)]][number % 3]


def latents_command(case: Path, number: int) -> list[str]:
    """Draw on from latents, look at them or move them, in turn."""
    file = str(case / "latents.safetensors")
    return [
        ["generate", "demo", PROMPT, "-o", "out.png", "--init-latents", file, "--steps=4", "--threads=1"],
        ["inspect", file],
        ["transfer", file, "--from", "demo", "--to", "demo-b", "-o", "out.safetensors"],
    ][number % 3]


def picture_command(case: Path, number: int) -> list[str]:
    """Draw on from a picture, or within it as a mask, in turn."""
    file = str(case / "picture")
    more = [] if number % 2 else ["--mask-image", file]
    size = [] if _quick(case / "picture") else ["--width=64", "--height=64"]
    return ["generate", "demo", PROMPT, "-o", "out.png", "--init-image", file, *more, *size, "--steps=2", "--threads=1"]


def record_command(case: Path, number: int) -> list[str]:
    """Look at how a picture was made, or make it again in few steps and a small size, in turn."""
    file = str(case / "made.png")
    return [
        ["inspect", file],
        ["inspect", file, "--json"],
        ["generate", "demo", "--like", file, "-o", "out.png", "--steps=2", "--width=64", "--height=64", "--threads=1"],
    ][number % 3]


def _quick(path: Path) -> bool:
    """Whether a run in a picture's own size takes seconds: it is small, or more than any run may have."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return max(picture.size) <= MOST_SIDE // 2 or picture.width * picture.height > MAX_PIXELS
    except Exception:  # Pillow's formats raise various errors for a broken file
        return True


def export_command(case: Path, number: int) -> list[str]:
    """Export it."""
    path, space = _checkpoint(case)
    return ["export", str(path), "exported", *([] if space is None else ["--space", space])]


def _without_size() -> dict[str, Any]:
    return {key: value for key, value in SETTINGS.items() if key not in ("width", "height")}


@cache
def _demo() -> Any:
    """The demo model, which this process keeps open."""
    return latentlink.load("demo", threads=1, verify=False)
