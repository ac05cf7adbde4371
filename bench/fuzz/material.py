"""The valid input that mutations start from, made once at the start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import copy2, copytree, rmtree
from tempfile import mkdtemp
from typing import Any

from latentlink.bench.fuzz.kinds import Kind, imported
from latentlink.demo import bundle, checkpoint

TINY = ("tiny-sd1", "tiny-sdxl", "tiny-sd3", "tiny-flux-dev")
"""Checkpoints of random weights, one for each kind of network."""

_VAE: dict[str, Any] = {
    "block_out_channels": (32, 32, 32, 32),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 1,
}
_CLIP: Mapping[str, Any] = {
    "vocab_size": 600, "hidden_size": 768, "intermediate_size": 72, "num_hidden_layers": 2, "num_attention_heads": 12,
}  # fmt: skip
SINGLE_FILES: Mapping[str, Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "sd1": {
        "unet": (
            "UNet2DConditionModel",
            {
                "sample_size": 8, "layers_per_block": 1, "block_out_channels": (64, 96), "cross_attention_dim": 768,
                "attention_head_dim": 8, "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
                "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
            },
        ),
        "vae": ("AutoencoderKL", _VAE | {"latent_channels": 4}),
        "text_encoder": ("CLIPTextModel", _CLIP),
    },
    "flux-dev": {
        "transformer": (
            "FluxTransformer2DModel",
            {
                "num_layers": 1, "num_single_layers": 2, "num_attention_heads": 1, "joint_attention_dim": 96,
                "pooled_projection_dim": 768, "guidance_embeds": True,
            },
        ),
        "vae": ("AutoencoderKL", _VAE | {"latent_channels": 16, "use_quant_conv": False, "use_post_quant_conv": False}),
        "text_encoder": ("CLIPTextModel", _CLIP),
        "text_encoder_2": (
            "T5EncoderModel",
            {"vocab_size": 600, "d_model": 96, "d_kv": 48, "d_ff": 64, "num_layers": 2, "num_heads": 2,
             "feed_forward_proj": "gated-gelu"},
        ),
    },
}  # fmt: skip
"""Networks of single files, by part: class and arguments; as wide as a family's file is known by, and shallow."""

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
            self.folder.mkdir(parents=True, exist_ok=True)
            part = Path(mkdtemp(prefix=f".{kind.name}-", dir=self.folder))
            imported(kind.make)(self, part)
            try:
                part.rename(made)
            except OSError:  # another process was first
                rmtree(part)
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


def make_record(material: Material, out: Path) -> None:
    """A picture that says how it was made."""
    import latentlink

    (out / "made").mkdir()
    with latentlink.load("demo", threads=1) as pipe:
        pipe.generate(PROMPT, seed=SEED, steps=10).save(out / "made" / "made.png")


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


def _save_networks(parts: Mapping[str, tuple[str, Mapping[str, Any]]], folder: Path) -> None:
    import diffusers
    import transformers

    for part, (name, arguments) in parts.items():
        cls: Any = getattr(diffusers, name, None) or getattr(transformers, name)
        network = cls(cls.config_class(**arguments)) if hasattr(cls, "config_class") else cls(**arguments)
        network.save_pretrained(folder / part)


def make_single_files(material: Material, out: Path) -> None:
    """Whole models as single files, a tiny VAE in its author's layout, and the files of the user."""
    from safetensors.torch import save_file

    from latentlink.bench.fuzz.original_layout import original_state, taesd_decoder_state

    for name, parts in SINGLE_FILES.items():
        (out / name).mkdir()
        made = out / name / "parts"
        _save_networks(parts, made)
        save_file(original_state(made), out / name / f"{CHECKPOINT}.safetensors")
        rmtree(made)
    (out / "taesd").mkdir()
    save_file(taesd_decoder_state(checkpoint("demo-tiny")), out / "taesd" / f"{CHECKPOINT}.safetensors")
    (out / "taesd" / SPACE).write_text("sd")
    for number, path in enumerate(path for path in material.checkpoints if path.is_file()):
        (out / f"given-{number}").mkdir()
        copy2(path, out / f"given-{number}" / f"{CHECKPOINT}.safetensors")
