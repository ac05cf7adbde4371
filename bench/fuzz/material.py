"""The valid input that mutations start from, made once at the start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import copy2, copytree, rmtree

from latentlink.bench.fuzz.kinds import Kind, imported
from latentlink.demo import bundle, checkpoint

TINY = ("tiny-sd1", "tiny-sdxl", "tiny-sd3", "tiny-flux-dev")
"""Checkpoints of random weights, one for each kind of network."""

CHECKPOINT, SPACE = "checkpoint", "space.txt"
"""Names in a folder: the checkpoint, a folder or `.safetensors` file, and the space to name, if it does not say one."""

PROMPT = "a red circle on a blue background"
SEED = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """A folder of valid input.

    Args:
        folder: Where it is made.
        checkpoints: Further checkpoints of the user, files or folders.
    """

    folder: Path
    checkpoints: tuple[Path, ...] = ()

    def of(self, kind: Kind) -> Sequence[Path]:
        """The valid inputs of a kind: folders of which each job copies one. They are made if they are missing."""
        made = self.folder / kind.name
        if not made.is_dir():
            part = self.folder / f"{kind.name}.part"
            rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            imported(kind.make)(self, part)
            part.rename(made)
        return sorted(made.iterdir())


def make_bundle(material: Material, out: Path) -> None:
    """The demo model."""
    copytree(bundle("demo"), out / "demo")


def make_openvino(material: Material, out: Path) -> None:
    """A small VAE of demo's latent space, built for OpenVINO."""
    from latentlink.engine.build import build_bundle
    from latentlink.engine.bundle import Bundle
    from latentlink.export.checkpoints import ExportOptions
    from latentlink.export.exporter import export_checkpoint

    space = Bundle.open(bundle("demo")).manifest.spaces[0]
    exported = material.folder / "exported"
    export_checkpoint(checkpoint("demo-tiny"), exported, options=ExportOptions(space=space))
    build_bundle(exported, out / "demo-tiny", targets=("openvino-cpu",))


def make_latents(material: Material, out: Path) -> None:
    """Latents of a whole run and of half a run."""
    import latentlink

    with latentlink.load("demo", threads=1) as pipe:
        for name, options in (("whole", {}), ("half", {"denoising_end": 0.5})):
            (out / name).mkdir()
            made = pipe.generate(PROMPT, seed=SEED, steps=10, decode=False, **options)  # type: ignore[arg-type]
            made.latents.save(out / name / "latents.safetensors")


def make_pictures(material: Material, out: Path) -> None:
    """A picture."""
    import latentlink

    (out / "png").mkdir()
    with latentlink.load("demo", threads=1) as pipe:
        pipe.generate(PROMPT, seed=SEED, steps=10).images[0].save(out / "png" / "picture", format="PNG")


def make_configs(material: Material, out: Path) -> None:
    """Random checkpoints of every kind of network, and those of the user."""
    from latentlink.bench.checkpoints import make_checkpoint

    for name in TINY:
        make_checkpoint(name, out / name / CHECKPOINT)
    (out / "tiny-sd1" / SPACE).write_text("sd")
    copytree(checkpoint("demo-tiny"), out / "demo-tiny" / CHECKPOINT)
    (out / "demo-tiny" / SPACE).write_text("sd")
    for number, path in enumerate(path for path in material.checkpoints if path.is_dir()):
        copytree(path, out / f"given-{number}" / CHECKPOINT)


def make_single_files(material: Material, out: Path) -> None:
    """VAEs as single files, and the files of the user."""
    own = [checkpoint(name) / "diffusion_pytorch_model.safetensors" for name in ("demo/vae", "demo-ft")]
    for number, path in enumerate((*own, *(path for path in material.checkpoints if path.is_file()))):
        (out / str(number)).mkdir()
        copy2(path, out / str(number) / f"{CHECKPOINT}.safetensors")
        if path in own:  # it does not say which space it reads
            (out / str(number) / SPACE).write_text("sd")
